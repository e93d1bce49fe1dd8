//! Facts about hosts that do not come from their packets: leases of DHCP servers, the neighbour table, databases of networks, DNS
//! names of the configuration, reverse DNS, and the store.
//!
//! Takes addresses, gives [`Enrichment`](sensor_core::enrichment::Enrichment)s. May wait for a disk, so the reader never asks it.

mod configured;
mod leases;
mod mac;
mod mmdb;
mod reverse_dns;
mod sightings;
mod sources;
mod stamp;

use std::path::PathBuf;

pub use self::leases::{LeaseFile, LeaseFormat};
pub(crate) use self::{configured::ConfiguredNames, sightings::Sighting, sources::Sources};

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSources {
    /// Lease files of DHCP servers.
    pub lease_files: Vec<LeaseFile>,
    /// Whether to ask the kernel for the hardware addresses of hosts on the same links.
    pub neighbours: bool,
    /// MMDB files, with the autonomous system and the country of addresses.
    pub databases: Vec<PathBuf>,
    /// Whether to ask name servers for the names of addresses.
    pub reverse_dns: bool,
}

impl Default for HostSources {
    fn default() -> Self {
        Self { lease_files: vec![], neighbours: true, databases: vec![], reverse_dns: false }
    }
}
