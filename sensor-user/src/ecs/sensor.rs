//! The sensor that writes a document.

use crate::kernel::interface::Interface;

/// The sensor that writes a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sensor {
    /// Name of the machine.
    pub hostname: String,
    /// Names of interfaces by their indexes.
    pub interfaces: Vec<(u32, String)>,
    /// Whether internal networks beyond the private ranges are configured.
    pub networks_defined: bool,
}

impl Sensor {
    /// The sensor on this machine.
    #[must_use]
    pub fn new(interfaces: &[Interface], networks_defined: bool) -> Self {
        let hostname = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        Self {
            hostname: hostname.unwrap_or_else(|| "unknown".to_owned()),
            interfaces: interfaces.iter().map(|one| (one.index, one.name.clone())).collect(),
            networks_defined,
        }
    }

    /// The name of an interface.
    pub(super) fn interface(&self, index: u32) -> Option<&str> {
        self.interfaces.iter().find(|(known, _)| *known == index).map(|(_, name)| name.as_str())
    }
}
