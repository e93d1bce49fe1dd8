//! Exposed hosts, from incidents.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use sensor_core::{address::Direction, incident::Incident, level::EvidenceLevel, rules};
use serde::Serialize;

use crate::rfc3339::rfc3339;

/// An internal host that answered somebody on the Internet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ExposedHost {
    /// Its address.
    pub host: String,
    /// Ports that were used, such as `445/tcp`.
    pub ports: BTreeSet<String>,
    /// First packet of the first incident.
    pub since: String,
    /// Last packet of the last one.
    pub last: String,
    /// External hosts that it answered.
    pub external_hosts: u64,
    /// There may be more than that.
    pub at_least: bool,
    /// How far the external hosts got, at most.
    pub evidence: &'static str,
    /// Dialects that it chose.
    pub dialects: BTreeSet<String>,
    /// Whether SMB 1 was agreed on.
    pub smb1: bool,
    /// Whether it accepted a log-on without a user, or as guest.
    pub anonymous: bool,
    /// Identifiers of the incidents.
    pub incidents: Vec<String>,
}

/// What is known of a host while incidents are read.
#[derive(Default)]
struct Seen {
    host: ExposedHost,
    external: BTreeSet<IpAddr>,
    level: Option<EvidenceLevel>,
    times: Option<(i64, i64)>,
}

/// The exposed hosts of these incidents, the one that got farthest first.
pub(crate) fn exposed(incidents: impl Iterator<Item = Incident>) -> Vec<ExposedHost> {
    let mut all: BTreeMap<IpAddr, Seen> = BTreeMap::new();
    for incident in incidents.filter(is_exposure) {
        for address in &incident.internal.addresses {
            all.entry(*address).or_default().add(*address, &incident);
        }
    }
    let mut all: Vec<Seen> = all.into_values().collect();
    all.sort_by_key(|seen| std::cmp::Reverse(seen.level));
    all.into_iter().map(Seen::finished).collect()
}

/// Whether it says that an internal server answered somebody on the Internet.
pub(crate) fn is_exposure(incident: &Incident) -> bool {
    incident.direction == Direction::Inbound && incident.level >= EvidenceLevel::Answered
}

impl Seen {
    fn add(&mut self, address: IpAddr, incident: &Incident) {
        let host = &mut self.host;
        host.host = address.to_string();
        host.ports.extend(incident.ports.iter().map(|(transport, port, _)| {
            format!("{port}/{}", if *transport == sensor_common::slot::UDP { "udp" } else { "tcp" })
        }));
        host.dialects.extend(incident.dialects.iter().cloned());
        host.smb1 |= incident.findings.contains_key(rules::smb1::META.id);
        host.anonymous |= incident.counted.logons_anonymous > 0;
        host.incidents.push(incident.id.to_string());
        // An incident lists the first addresses of its external hosts, and counts all.
        self.external.extend(&incident.external.addresses);
        host.at_least |=
            incident.external.at_least || incident.external.count > incident.external.addresses.len() as u64;
        host.external_hosts = host.external_hosts.max(incident.external.count);
        self.level = self.level.max(Some(incident.level));
        let (first, last) = (incident.first.unix_nanos(), incident.last.unix_nanos());
        self.times =
            Some(self.times.map_or((first, last), |(since, until)| (since.min(first), until.max(last))));
    }

    fn finished(self) -> ExposedHost {
        let mut host = self.host;
        let time = |nanos| rfc3339(sensor_core::time::Timestamp::from_unix_nanos(nanos));
        let (since, last) = self.times.unwrap_or_default();
        (host.since, host.last) = (time(since), time(last));
        host.external_hosts = host.external_hosts.max(self.external.len() as u64);
        // One incident counts its hosts exactly, unless it says so.
        host.at_least &= host.incidents.len() > 1 || host.external_hosts == 0;
        host.evidence = self.level.map_or("", EvidenceLevel::name);
        host
    }
}
