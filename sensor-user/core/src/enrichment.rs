//! What is known of a host from elsewhere than its packets. It is found outside the core, and kept with the host's incidents.

use serde::{Deserialize, Serialize};

/// What is known of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Enrichment {
    /// Hardware address, as ECS writes it: `00-1A-2B-3C-4D-5E`.
    pub mac: Option<String>,
    /// Name under which the host asked for its address (DHCP).
    pub lease_name: Option<String>,
}

impl Enrichment {
    /// Takes what `new` knows, and keeps what it does not. Tells whether that changed anything.
    pub(crate) fn absorb(&mut self, new: &Self) -> bool {
        let before = self.clone();
        let Self { mac, lease_name } = new;
        take(&mut self.mac, mac);
        take(&mut self.lease_name, lease_name);
        *self != before
    }
}

fn take<T: Clone>(known: &mut Option<T>, new: &Option<T>) {
    if new.is_some() {
        known.clone_from(new);
    }
}
