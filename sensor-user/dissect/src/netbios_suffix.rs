//! Meanings of the last byte of a NetBIOS name (MS-BRWS 2.1.1.1, and Microsoft's article Q163409).

use super::netbios_name::NetbiosName;

impl NetbiosName {
    /// The meaning, if known. Some suffixes mean one thing for a group and another for a single machine; `group` is `None` if
    /// that is unknown.
    #[must_use]
    pub const fn role(&self, group: Option<bool>) -> Option<&'static str> {
        Some(match (self.suffix, group) {
            (0x00, Some(false)) => "workstation",
            (0x00, Some(true)) => "workgroup or domain",
            (0x01, Some(true)) => "master browsers",
            (0x01, Some(false)) | (0x03, _) => "messenger",
            (0x06, _) => "remote access server",
            (0x1B, _) => "domain master browser",
            (0x1C, _) => "domain controllers",
            (0x1D, _) => "master browser",
            (0x1E, _) => "browser elections",
            (0x1F, _) => "network DDE",
            (0x20, _) => "file server",
            (0x21, _) => "remote access client",
            _ => return None,
        })
    }
}
