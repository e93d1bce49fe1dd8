//! DNS names of the configuration, by the addresses that they stand for.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sensor_core::{enrichment::ConfiguredName, networks::inner};

use crate::names::NamedAddresses;

/// The names in force. Whoever applies a configuration replaces them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfiguredNames(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    names: Arc<NamedAddresses>,
    /// They were replaced since somebody looked.
    changed: bool,
}

impl ConfiguredNames {
    /// Replaces them.
    pub(crate) fn set(&self, names: &Arc<NamedAddresses>) {
        let mut state = self.state();
        if state.names != *names {
            state.names = Arc::clone(names);
            state.changed = true;
        }
    }

    /// Whether they changed since this was last asked.
    pub(super) fn take_changed(&self) -> bool {
        std::mem::take(&mut self.state().changed)
    }

    /// The names of an address.
    pub(super) fn of(&self, address: IpAddr) -> Vec<ConfiguredName> {
        // The resolved address of a host may be the one inside the address of its packets.
        let address = inner(address).unwrap_or(address);
        self.state().names.get(&address).cloned().unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_by_the_inner_address_and_replaced_as_a_whole() {
        let configured = ConfiguredNames::default();
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let name = ConfiguredName { name: "files.example".into(), origin: "list provider".into() };
        let named = Arc::new(NamedAddresses::from([(ip("8.8.4.4"), vec![name.clone()])]));
        configured.set(&named);
        assert!(configured.take_changed() && !configured.take_changed());
        assert_eq!(configured.of(ip("8.8.4.4")), std::slice::from_ref(&name));
        assert_eq!(configured.of(ip("64:ff9b::8.8.4.4")), [name]);
        assert!(configured.of(ip("8.8.4.5")).is_empty());
        configured.set(&Arc::new(named.as_ref().clone()));
        assert!(!configured.take_changed(), "they say the same");
        configured.set(&Arc::default());
        assert!(configured.take_changed() && configured.of(ip("8.8.4.4")).is_empty());
    }
}
