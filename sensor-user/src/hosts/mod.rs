//! What is known of hosts from elsewhere than their packets: leases of DHCP servers, the neighbour table,
//! databases of networks, and the store.
//!
//! Takes addresses, gives [`Enrichment`](sensor_core::enrichment::Enrichment)s. May wait for a disk, so the reader never asks it.

mod leases;
mod mac;
mod mmdb;
mod sightings;
mod sources;
mod stamp;

use std::path::PathBuf;

pub use self::leases::{LeaseFile, LeaseFormat};
pub(crate) use self::{sightings::Sighting, sources::Sources};

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSources {
    /// Lease files of DHCP servers.
    pub lease_files: Vec<LeaseFile>,
    /// Whether to ask the kernel for the hardware addresses of hosts on the same links.
    pub neighbours: bool,
    /// MMDB files, with the autonomous system and the country of addresses.
    pub databases: Vec<PathBuf>,
}

impl Default for HostSources {
    fn default() -> Self {
        Self { lease_files: vec![], neighbours: true, databases: vec![] }
    }
}
