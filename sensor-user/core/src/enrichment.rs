//! Facts about a host from other sources than its packets. They are found outside the core, and kept with the host's incidents.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{level::EvidenceLevel, time::Timestamp};

/// What is known of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Enrichment {
    /// Hardware address, as ECS writes it: `00-1A-2B-3C-4D-5E`.
    pub mac: Option<String>,
    /// Name under which the host asked for its address (DHCP).
    pub lease_name: Option<String>,
    /// Name of its address by reverse DNS.
    pub dns_name: Option<String>,
    /// DNS names of the configuration that stand for its address.
    pub configured_names: Vec<ConfiguredName>,
    /// Autonomous system that announces its address.
    pub autonomous_system: Option<AutonomousSystem>,
    /// Country of its address, two letters (ISO 3166-1).
    pub country: Option<String>,
    /// What incidents with it were seen before, and this one.
    pub sightings: Option<Sightings>,
}

/// A DNS name of the configuration that stands for an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfiguredName {
    /// The name.
    pub name: String,
    /// Where it is written: "list provider", "exemption nightly".
    pub origin: String,
}

impl fmt::Display for ConfiguredName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (DNS name in {})", self.name, self.origin)
    }
}

/// When and by whom an external host was seen, in all incidents that are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    /// The first time.
    pub first: Timestamp,
    /// Days (UTC).
    pub days: u64,
    /// Internal hosts.
    pub hosts: u64,
    /// How far any of them got with it.
    pub level: EvidenceLevel,
}

/// A network of the Internet with routes of its own (RFC 1930).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutonomousSystem {
    /// Number.
    pub number: u32,
    /// Who runs it.
    pub organisation: Option<String>,
}

impl fmt::Display for AutonomousSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.number)?;
        self.organisation.iter().try_for_each(|name| write!(f, " {name}"))
    }
}

impl Enrichment {
    /// Takes what `new` knows, and keeps what it does not. Returns whether that changed anything.
    pub(crate) fn absorb(&mut self, new: &Self) -> bool {
        let before = self.clone();
        let Self { mac, lease_name, dns_name, configured_names, autonomous_system, country, sightings } = new;
        take(&mut self.mac, mac);
        take(&mut self.lease_name, lease_name);
        take(&mut self.dns_name, dns_name);
        if !configured_names.is_empty() {
            self.configured_names.clone_from(configured_names);
        }
        take(&mut self.autonomous_system, autonomous_system);
        take(&mut self.country, country);
        take(&mut self.sightings, sightings);
        *self != before
    }
}

fn take<T: Clone>(known: &mut Option<T>, new: &Option<T>) {
    if new.is_some() {
        known.clone_from(new);
    }
}
