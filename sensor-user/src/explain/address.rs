//! One address: its classification, the network that decides it, and matching exemptions and threat lists.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use sensor_common::classify::Place;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Written};
use sensor_core::enrichment::ConfiguredName;
use sensor_core::exempt::Exemption;
use sensor_core::profile::{Rulebook, networks::Entry};
use sensor_core::time::Timestamp;

/// Most networks and entries that are listed for one address, and most characters of a reason: an answer must fit the control
/// socket.
const MAX_ENTRIES: usize = 20;
const MAX_REASON_LEN: usize = 200;

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// As asked.
    pub address: IpAddr,
    /// `internal`, `reserved` or `external`, by the profile in force.
    pub place: String,
    /// The IPv4 address inside that is classified as well.
    pub embedded: Option<Embedded>,
    /// The network that decides; none for an external address.
    pub by: Option<Network>,
    /// Networks that cover it without deciding.
    pub beats: Vec<Network>,
    /// Exemptions and threat list entries that match it.
    pub matching: Matches,
}

/// An IPv4 address inside an IPv6 one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedded {
    /// The IPv4 address.
    pub address: Ipv4Addr,
    /// The form, with its standard.
    pub form: String,
}

/// A network and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Network.
    pub network: IpNet,
    /// The place that it gives its addresses.
    pub place: String,
    /// List and line, or registry and standard.
    pub source: String,
}

/// Entries of the configuration that match an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// The first of them.
    pub entries: Vec<Match>,
    /// How many more there are.
    pub further: usize,
}

/// An entry of the configuration that matches an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Its kind, such as `exemption`.
    pub kind: String,
    /// Its content.
    pub what: String,
    /// Its reason.
    pub reason: String,
    /// Where it is written.
    pub written: String,
    /// The DNS names because of which it matches: at most one for each end.
    pub names: Vec<Named>,
}

/// An address that an exemption has by a DNS name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The address.
    pub address: IpAddr,
    /// The name that resolved to it, and the list or the exemption in which this name is written.
    #[serde(flatten)]
    pub name: ConfiguredName,
}

impl Address {
    pub(super) fn of(address: IpAddr, rulebook: &Rulebook, config: &Config, now: Timestamp) -> Self {
        let placed = rulebook.place(address);
        Self {
            address,
            place: name(placed.place).to_owned(),
            embedded: placed
                .embedded
                .map(|(form, inner)| Embedded { address: inner, form: form.name().to_owned() }),
            by: placed.by.map(Network::of),
            beats: placed.beats.into_iter().take(MAX_ENTRIES).map(Network::of).collect(),
            matching: matching(config, now, [address; 2], |one| one.names(address))
                .with_threats(config, address),
        }
    }
}

impl Network {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            network: entry.net,
            place: name(Place::of(entry.flags)).to_owned(),
            source: entry.origin.to_string(),
        }
    }
}

/// The exemptions in force at `now` for which `fits` is true, with the DNS names that stand for the addresses of a client and a
/// server in them.
pub(super) fn matching(
    config: &Config,
    now: Timestamp,
    ends: [IpAddr; 2],
    fits: impl Fn(&Exemption) -> bool,
) -> Matches {
    let found = config.exemptions.iter().enumerate();
    let mut found = found.filter(|(_, exemption)| exemption.is_in_force(now) && fits(exemption));
    let matched = |(number, exemption)| Match {
        names: names(exemption, ends, config),
        ..matched(exemption, &config.places.exemption(number))
    };
    let entries = found.by_ref().take(MAX_ENTRIES).map(matched).collect();
    Matches { entries, further: found.count() }
}

impl Matches {
    /// Adds the entries of threat lists for an address.
    fn with_threats(mut self, config: &Config, address: IpAddr) -> Self {
        for indicator in config.threats.of(address) {
            let files = config.threat_lists.iter().filter(|list| list.name == indicator.list);
            let file = files.map(|list| list.file.display().to_string()).next().unwrap_or_default();
            self.entries.push(Match {
                kind: "threat list".to_owned(),
                what: format!("{} on {}", indicator.entry.net, indicator.list),
                reason: shortened(indicator.entry.description.as_deref().unwrap_or_default()),
                written: format!("{file}:{}", indicator.entry.line),
                names: vec![],
            });
        }
        self
    }
}

fn matched(exemption: &Exemption, written: &Written) -> Match {
    Match {
        kind: "exemption".to_owned(),
        what: exemption.to_string(),
        reason: shortened(&exemption.reason),
        written: match &exemption.added {
            Some(added) => format!("added by {} (smb-sensor exempt)", added.by),
            None => written.to_string(),
        },
        names: vec![],
    }
}

/// The names by which the addresses of a client and a server are at the ends of an exemption, each once.
fn names(exemption: &Exemption, addresses: [IpAddr; 2], config: &Config) -> Vec<Named> {
    let ends = [&exemption.source, &exemption.destination].into_iter().zip(addresses);
    let named = ends.filter_map(|(end, address)| {
        Some(Named { address, name: config.name_of(exemption, end.as_ref()?, address)? })
    });
    let mut names: Vec<_> = named.collect();
    names.dedup();
    names
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_REASON_LEN).collect()
}

/// The name of a place.
pub(super) const fn name(place: Place) -> &'static str {
    match place {
        Place::Internal => "internal",
        Place::Reserved => "reserved",
        Place::External => "external",
    }
}
