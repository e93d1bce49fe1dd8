//! The sensor that writes a document.

use crate::kernel::interface::Interface;

/// Names that are kept, also of interfaces that are gone: their connections may be reported later.
const MAX_INTERFACES: usize = 1_024;

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

    /// Names an interface that appeared later, or has another name now.
    pub fn name_interface(&mut self, index: u32, name: &str) {
        self.interfaces.retain(|(known, _)| *known != index);
        if self.interfaces.len() >= MAX_INTERFACES {
            self.interfaces.remove(0);
        }
        self.interfaces.push((index, name.to_owned()));
    }

    /// The name of an interface.
    pub(super) fn interface(&self, index: u32) -> Option<&str> {
        self.interfaces.iter().find(|(known, _)| *known == index).map(|(_, name)| name.as_str())
    }
}
