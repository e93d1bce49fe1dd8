//! Authentication, shares and interfaces, and how the server answered.

use uuid::Uuid;

use crate::{fingerprint::Fingerprint, interfaces, ntlmssp::ResponseKind, smb2::ShareKind, status::Status};

/// A user who authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The method.
    pub method: Method,
    /// User; Kerberos does not show it.
    pub user: Option<String>,
    /// Domain of the user, or realm of the ticket.
    pub domain: Option<String>,
    /// Workstation name that the client claims.
    pub workstation: Option<String>,
    /// Service that the client believes to talk to.
    pub target: Option<String>,
    /// Keyed fingerprint of the response or ticket; `None` if there was none, or only a part of it.
    pub fingerprint: Option<Fingerprint>,
    /// The result, once seen.
    pub outcome: Option<Outcome>,
}

impl Credential {
    /// Whether it proves nothing.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.method == Method::Ntlm(ResponseKind::Anonymous)
    }

    /// Whether it contains the password or comes close to it.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        matches!(self.method, Method::Password | Method::Ntlm(ResponseKind::V1))
    }

    /// Whether `other` is the same attempt of the same user, whatever its result. Without proof, two attempts count as
    /// different.
    pub(super) fn is_repeat_of(&self, other: &Self) -> bool {
        (self.fingerprint.is_some() || self.is_anonymous())
            && (self.method, &self.user, &self.domain, &self.workstation, self.fingerprint)
                == (other.method, &other.user, &other.domain, &other.workstation, other.fingerprint)
    }
}

/// The authentication method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// NTLM.
    Ntlm(ResponseKind),
    /// Kerberos.
    Kerberos,
    /// The password itself, sent to an SMB 1 server that uses no challenge (MS-CIFS 3.2.4.2.4).
    Password,
}

/// The server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Accepted.
    Accepted,
    /// Accepted as a guest, whatever the user name.
    AcceptedAsGuest,
    /// Refused.
    Refused(Status),
}

impl Outcome {
    /// Whether it was accepted, even as a guest.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::AcceptedAsGuest)
    }
}

/// A requested share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Path, such as `\\server\share`.
    pub path: String,
    /// The kind of share.
    pub kind: Option<ShareKind>,
    /// The result, once seen.
    pub outcome: Option<Outcome>,
}

/// A DCE-RPC interface that was bound or called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Identifier.
    pub uuid: Uuid,
    /// Version: major, minor.
    pub version: (u16, u16),
    /// Short name, if known.
    pub name: Option<&'static str>,
    /// Numbers of the called operations, in the order of their first call.
    pub operations: Vec<u16>,
}

impl Interface {
    /// The name of an operation, if known.
    #[must_use]
    pub fn operation(&self, opnum: u16) -> Option<&'static str> {
        interfaces::known(&self.uuid)?.operation(opnum)
    }
}
