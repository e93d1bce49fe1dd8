//! The claims of the two ends about themselves.

use std::fmt;

use uuid::Uuid;

use crate::{
    ntlmssp::{TargetInformation, Version},
    smb2::Contexts,
};

/// Dialect of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// By its name, such as `NT LM 0.12`.
    Smb1(String),
    /// By its number, such as 0x0311.
    Smb2(u16),
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smb1(name) => f.write_str(name),
            Self::Smb2(0x0202) => f.write_str("2.0.2"),
            Self::Smb2(0x02FF) => f.write_str("2.???"),
            // MS-SMB2 2.2.3: 0x0210, 0x0300, 0x0302, 0x0311.
            Self::Smb2(number) => {
                write!(f, "{}.{}", number >> 8, number >> 4 & 0xF)?;
                if number & 0xF != 0 { write!(f, ".{}", number & 0xF) } else { Ok(()) }
            }
        }
    }
}

/// What an end says about signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signing {
    /// Not signed.
    Off,
    /// Signed if the other end wants it.
    Enabled,
    /// Signing required.
    Required,
}

impl Signing {
    /// From the SecurityMode of SMB 2 (MS-SMB2 2.2.3), and that of SMB 1 shifted by two (MS-CIFS 2.2.4.52.2).
    pub(crate) const fn from_mode(mode: u16) -> Self {
        match mode & 3 {
            0 => Self::Off,
            1 => Self::Enabled,
            _ => Self::Required,
        }
    }

    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Enabled => "enabled",
            Self::Required => "required",
        }
    }
}

/// What the client says about itself. None of it is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Names of the offered SMB 1 dialects.
    pub smb1_dialects: Vec<String>,
    /// Offered SMB 2 dialects.
    pub dialects: Vec<u16>,
    /// What it says about signing.
    pub signing: Option<Signing>,
    /// Capabilities (MS-SMB2 2.2.3).
    pub capabilities: u32,
    /// Identifier.
    pub guid: Option<Uuid>,
    /// Negotiate contexts; `contexts.netname` is the client's name for the server.
    pub contexts: Contexts,
    /// Version in its NTLM messages.
    pub ntlm_version: Option<Version>,
    /// Operating system, of SMB 1.
    pub native_os: Option<String>,
    /// LAN Manager, of SMB 1.
    pub native_lan_manager: Option<String>,
}

/// What the server says about itself. None of it is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Realm of its NTLM challenge, or the domain that it names in SMB 1.
    pub target: Option<String>,
    /// Names in its NTLM challenge.
    pub names: TargetInformation,
    /// Version in its NTLM challenge.
    pub ntlm_version: Option<Version>,
    /// Identifier.
    pub guid: Option<Uuid>,
    /// Negotiate contexts that it chose.
    pub contexts: Contexts,
    /// Operating system, of SMB 1.
    pub native_os: Option<String>,
    /// LAN Manager, of SMB 1.
    pub native_lan_manager: Option<String>,
}
