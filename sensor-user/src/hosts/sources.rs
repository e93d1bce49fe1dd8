//! All sources, and their facts about one host.

use std::{collections::HashMap, io, net::IpAddr, path::PathBuf};

use sensor_core::enrichment::Enrichment;
use tracing::warn;

use super::{
    HostSources,
    configured::ConfiguredNames,
    leases::Leases,
    mac::Mac,
    mmdb::{Databases, Origin},
    reverse_dns::ReverseDns,
    sightings::{Sighting, Store},
};
use crate::{kernel::neighbours, runtime::Supervisor, wall_clock};

/// The sources.
pub(crate) struct Sources {
    leases: Leases,
    databases: Databases,
    store: Store,
    configured: ConfiguredNames,
    names: Option<ReverseDns>,
    /// Hosts on the same links, if the kernel is asked.
    neighbours: Option<HashMap<IpAddr, Mac>>,
    /// The kernel did not answer the last time.
    neighbours_fail: bool,
}

impl Sources {
    /// Those that are wanted. Reverse DNS asks these name servers, on a thread of its own.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(
        options: &HostSources,
        name_servers: &[IpAddr],
        configured: ConfiguredNames,
        state_dir: PathBuf,
        supervisor: &Supervisor,
    ) -> io::Result<Self> {
        let names = options.reverse_dns.then(|| ReverseDns::start(name_servers, supervisor)).transpose()?;
        Ok(Self { names, ..Self::without_reverse_dns(options, configured, state_dir) })
    }

    /// Those that are wanted, without reverse DNS.
    pub(crate) fn without_reverse_dns(
        options: &HostSources,
        configured: ConfiguredNames,
        state_dir: PathBuf,
    ) -> Self {
        Self {
            leases: Leases::of(&options.lease_files),
            databases: Databases::of(&options.databases),
            store: Store::of(state_dir),
            configured,
            names: None,
            neighbours: options.neighbours.then(HashMap::new),
            neighbours_fail: false,
        }
    }

    /// Reads what changed; returns whether anything had changed but the neighbours.
    pub(crate) fn refresh(&mut self) -> bool {
        let learnt = self.names.as_ref().is_some_and(ReverseDns::take_learnt);
        let renamed = self.configured.take_changed();
        let changed = self.leases.refresh() | self.databases.refresh() | learnt | renamed;
        let Some(known) = &mut self.neighbours else { return changed };
        match neighbours::all() {
            Ok(found) => {
                *known = found.into_iter().map(|(address, bytes)| (address, bytes.into())).collect();
                self.neighbours_fail = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.neighbours_fail, true) {
                    warn!("cannot read the neighbour table; hardware addresses stay as they were: {error}");
                }
            }
        }
        changed
    }

    /// Asks for the names of hosts that are not known, if names are asked for. Never waits.
    pub(crate) fn ask_names(&self, hosts: [Option<IpAddr>; 2]) {
        let Some(names) = &self.names else { return };
        hosts.into_iter().flatten().for_each(|address| names.ask(address));
    }

    /// What is known of an internal host.
    pub(crate) fn internal(&self, address: IpAddr) -> Enrichment {
        let lease = self.leases.of_address(address, wall_clock::now());
        let neighbour = self.neighbours.as_ref().and_then(|known| known.get(&address)).copied();
        let mac = neighbour.or_else(|| lease?.mac);
        Enrichment {
            mac: mac.map(|mac| mac.to_string()),
            lease_name: lease.and_then(|lease| lease.name.clone()),
            dns_name: self.names.as_ref().and_then(|names| names.name(address)),
            ..Enrichment::default()
        }
    }

    /// What is known of an external host.
    pub(crate) fn external(&mut self, address: IpAddr, sighting: &Sighting) -> Enrichment {
        let Origin { autonomous_system, country } = self.databases.of_address(address);
        let sightings = self.store.sightings(sighting);
        let dns_name = self.names.as_ref().and_then(|names| names.name(address));
        let configured_names = self.configured.of(address);
        Enrichment {
            autonomous_system,
            country,
            sightings,
            dns_name,
            configured_names,
            ..Enrichment::default()
        }
    }
}
