//! Who asked for what, and how it was answered.

use uuid::Uuid;

use crate::{fingerprint::Fingerprint, interfaces, ntlmssp::ResponseKind, smb2::ShareKind, status::Status};

/// Someone who authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// By what.
    pub method: Method,
    /// User; Kerberos does not show it.
    pub user: Option<String>,
    /// Domain of the user, or realm of the ticket.
    pub domain: Option<String>,
    /// Workstation that the client says it is.
    pub workstation: Option<String>,
    /// Service that the client believes to talk to.
    pub target: Option<String>,
    /// Keyed fingerprint of the response or ticket; `None` where there was none, or not the whole of it.
    pub fingerprint: Option<Fingerprint>,
    /// How it ended, once that was seen.
    pub outcome: Option<Outcome>,
}

impl Credential {
    /// Whether nothing was proven by it.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.method == Method::Ntlm(ResponseKind::Anonymous)
    }

    /// Whether the password is in it, or near.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        matches!(self.method, Method::Password | Method::Ntlm(ResponseKind::V1))
    }

    /// Whether another is the same attempt of the same user, whatever came of it. Two of which nothing proves that they are the
    /// same are two.
    pub(super) fn is_repeat_of(&self, other: &Self) -> bool {
        (self.fingerprint.is_some() || self.is_anonymous())
            && (self.method, &self.user, &self.domain, &self.workstation, self.fingerprint)
                == (other.method, &other.user, &other.domain, &other.workstation, other.fingerprint)
    }
}

/// What a credential proves itself by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// NTLM.
    Ntlm(ResponseKind),
    /// Kerberos.
    Kerberos,
    /// The password itself, to an SMB 1 server that knows no challenge (MS-CIFS 3.2.4.2.4).
    Password,
}

/// How the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Accepted.
    Accepted,
    /// Accepted as a guest, whoever it was.
    AcceptedAsGuest,
    /// Refused.
    Refused(Status),
}

impl Outcome {
    /// Whether it was accepted, be it as a guest's.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::AcceptedAsGuest)
    }
}

/// A share that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Path, such as `\\server\share`.
    pub path: String,
    /// What is shared.
    pub kind: Option<ShareKind>,
    /// How it ended, once that was seen.
    pub outcome: Option<Outcome>,
}

/// A DCE-RPC interface that was bound or called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Identifier.
    pub uuid: Uuid,
    /// Version: major, minor.
    pub version: (u16, u16),
    /// Short name, where it is known.
    pub name: Option<&'static str>,
    /// Numbers of the operations that were called, in the order in which they were first.
    pub operations: Vec<u16>,
}

impl Interface {
    /// The name of an operation, where it is known.
    #[must_use]
    pub fn operation(&self, opnum: u16) -> Option<&'static str> {
        interfaces::known(&self.uuid)?.operation(opnum)
    }
}
