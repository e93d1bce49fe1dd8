//! Exposed hosts, from incidents.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use sensor_common::slot::UDP;
use sensor_core::{
    address::Direction,
    incident::{AnsweringPort, Incident, Scope},
    level::EvidenceLevel,
    rules,
    time::Timestamp,
};
use serde::Serialize;

use crate::rfc3339::rfc3339;

/// An internal host that answered somebody on the Internet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ExposedHost {
    /// Its address.
    pub host: String,
    /// Ports that answered, such as `445/tcp`.
    pub ports: BTreeSet<String>,
    /// First packet of the first connection in which one did.
    pub since: String,
    /// Last packet of the last one.
    pub last: String,
    /// Both times.
    #[serde(skip)]
    pub times: (Timestamp, Timestamp),
    /// External hosts that it answered.
    pub external_hosts: u64,
    /// There may be more than that.
    pub at_least: bool,
    /// How far the external hosts got, at most.
    pub evidence: Option<EvidenceLevel>,
    /// Dialects that it chose.
    pub dialects: BTreeSet<String>,
    /// What it said about signing: `off`, `enabled` or `required`.
    pub signing: BTreeSet<String>,
    /// Whether SMB 1 was agreed on.
    pub smb1: bool,
    /// Whether it accepted a log-on without a user or as guest, or listed something over WebDAV without a log-on.
    pub anonymous: bool,
    /// Identifiers of the incidents.
    pub incidents: Vec<String>,
}

impl ExposedHost {
    /// What makes it easier to attack than its open port does.
    pub(crate) fn weak_points(&self) -> Vec<&'static str> {
        let unsigned = self.signing.iter().any(|one| one != REQUIRED);
        [
            (self.smb1, "SMB 1"),
            (self.anonymous, "anonymous or guest access"),
            (unsigned, "signing not required"),
        ]
        .into_iter()
        .filter_map(|(seen, what)| seen.then_some(what))
        .collect()
    }
}

/// What a server says that requires signing.
const REQUIRED: &str = "required";

/// Exposed hosts while incidents are read.
#[derive(Default)]
pub(crate) struct Exposures(BTreeMap<IpAddr, Seen>);

/// What is known of a host while incidents are read.
#[derive(Default)]
struct Seen {
    host: ExposedHost,
    external: BTreeSet<IpAddr>,
    level: Option<EvidenceLevel>,
    times: Option<(Timestamp, Timestamp)>,
}

/// The ports of internal servers that answered in an incident.
pub(crate) fn answering(incident: &Incident) -> Vec<AnsweringPort> {
    if incident.direction != Direction::Inbound || incident.level < EvidenceLevel::Answered {
        return vec![];
    }
    // An older version did not note which ports answered. Its sweeps are about many hosts, and do not say which did.
    if incident.answering.is_empty()
        && let Some(server) = incident.internal.only_address()
    {
        let all = incident.ports.iter().map(|(transport, port, _)| AnsweringPort {
            server,
            transport: *transport,
            port: *port,
            first: incident.first,
            last: incident.last,
            level: incident.level,
            anonymous: false,
        });
        return all.collect();
    }
    incident.answering.clone()
}

impl Exposures {
    /// Adds an incident. Returns the hosts that answered in it.
    pub(crate) fn add(&mut self, incident: &Incident) -> BTreeSet<IpAddr> {
        let ports = answering(incident);
        for port in &ports {
            self.0.entry(port.server).or_default().add_port(port);
        }
        let servers: BTreeSet<_> = ports.iter().map(|port| port.server).collect();
        for server in &servers {
            self.0.entry(*server).or_default().add_incident(incident);
        }
        servers
    }

    /// The hosts, the one that let somebody farthest in first.
    pub(crate) fn finish(self) -> Vec<ExposedHost> {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.level));
        all.into_iter().map(|(address, seen)| seen.finished(address)).collect()
    }
}

impl Seen {
    fn add_port(&mut self, port: &AnsweringPort) {
        let transport = if port.transport == UDP { "udp" } else { "tcp" };
        self.host.ports.insert(format!("{}/{transport}", port.port));
        self.level = self.level.max(Some(port.level));
        self.host.anonymous |= port.anonymous;
        let (first, last) = (port.first, port.last);
        self.times =
            Some(self.times.map_or((first, last), |(since, until)| (since.min(first), until.max(last))));
    }

    fn add_incident(&mut self, incident: &Incident) {
        let host = &mut self.host;
        // In a sweep, nothing says which of its hosts chose something. Those that did have incidents of their own.
        if incident.scope != Scope::Client {
            host.dialects.extend(incident.dialects.iter().cloned());
            host.signing.extend(incident.signing.iter().cloned());
            host.smb1 |= incident.findings.contains_key(rules::smb1::META.id);
            host.anonymous |= incident.counted.logons_anonymous > 0;
        }
        host.incidents.push(incident.id.to_string());
        // An incident lists the first addresses of its external hosts, and counts all.
        self.external.extend(&incident.external.addresses);
        host.at_least |=
            incident.external.at_least || incident.external.count > incident.external.addresses.len() as u64;
        host.external_hosts = host.external_hosts.max(incident.external.count);
    }

    fn finished(self, address: IpAddr) -> ExposedHost {
        let mut host = self.host;
        host.host = address.to_string();
        host.times = self.times.unwrap_or_default();
        (host.since, host.last) = (rfc3339(host.times.0), rfc3339(host.times.1));
        host.external_hosts = host.external_hosts.max(self.external.len() as u64);
        // One incident counts its hosts exactly, unless it says so.
        host.at_least &= host.incidents.len() > 1 || host.external_hosts == 0;
        host.evidence = self.level;
        host
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::fixtures;

    use super::*;

    fn port(server: &str, port: u16, level: EvidenceLevel) -> AnsweringPort {
        AnsweringPort {
            server: server.parse().unwrap(),
            transport: 6,
            port,
            first: fixtures::START,
            last: fixtures::after(1_000),
            level,
            anonymous: false,
        }
    }

    fn exposed(incidents: &[Incident]) -> Vec<ExposedHost> {
        let mut all = Exposures::default();
        for incident in incidents {
            all.add(incident);
        }
        all.finish()
    }

    #[test]
    fn ports_that_did_not_answer_are_not_listed() {
        let mut tried = fixtures::exposure();
        tried.ports.push((6, 139, sensor_core::service::Service::Smb));
        tried.answering = vec![port("10.0.1.2", 445, EvidenceLevel::Answered)];
        let found = exposed(&[tried]);
        assert_eq!(found[0].ports.iter().collect::<Vec<_>>(), ["445/tcp"]);
    }

    #[test]
    fn ports_of_datagrams_are_listed_as_udp() {
        let mut asked = fixtures::netbios_listed();
        let udp =
            |number| AnsweringPort { transport: UDP, ..port("fd00:1::2", number, EvidenceLevel::Connected) };
        asked.answering = vec![udp(137), udp(138)];
        assert_eq!(exposed(&[asked])[0].ports.iter().collect::<Vec<_>>(), ["137/udp", "138/udp"]);
    }

    #[test]
    fn host_is_exposed_from_its_first_answer_to_its_last() {
        let (mut early, mut late) = (fixtures::exposure(), fixtures::exposure());
        early.answering = vec![port("10.0.1.2", 445, EvidenceLevel::Answered)];
        let day_later = fixtures::after(86_400_000);
        let last = AnsweringPort {
            first: day_later,
            last: day_later,
            ..port("10.0.1.2", 139, EvidenceLevel::Answered)
        };
        late.answering = vec![last];
        let found = exposed(&[late, early]);
        assert_eq!((found.len(), found[0].since.as_str()), (1, "2026-11-29T10:13:55.102Z"));
        assert_eq!(found[0].last, "2026-11-30T10:13:55.102Z");
    }

    #[test]
    fn of_a_sweep_only_the_hosts_that_answered_are_exposed() {
        let mut sweep = fixtures::sweep();
        sweep.direction = Direction::Inbound;
        std::mem::swap(&mut sweep.internal, &mut sweep.external);
        assert_eq!(exposed(std::slice::from_ref(&sweep)), [], "an older version says nothing of them");
        sweep.answering = vec![
            port("10.0.1.2", 445, EvidenceLevel::Answered),
            port("10.0.1.3", 135, EvidenceLevel::Connected),
            port("10.0.1.2", 139, EvidenceLevel::Answered),
        ];
        let found = exposed(&[sweep]);
        let shown: Vec<_> =
            found.iter().map(|one| (one.host.as_str(), one.evidence, one.external_hosts)).collect();
        assert_eq!(
            shown,
            [("10.0.1.3", Some(EvidenceLevel::Connected), 1), ("10.0.1.2", Some(EvidenceLevel::Answered), 1)]
        );
        assert_eq!(found[1].ports.iter().collect::<Vec<_>>(), ["139/tcp", "445/tcp"]);
    }

    #[test]
    fn port_that_serves_webdav_to_anybody_is_anonymous_access_of_its_host_alone() {
        let mut sweep = fixtures::sweep();
        sweep.direction = Direction::Inbound;
        let web = |server| port(server, 80, EvidenceLevel::Connected);
        sweep.answering =
            vec![web("10.0.1.2"), AnsweringPort { anonymous: true, ..web("10.0.1.3") }, web("10.0.1.3")];
        let found = exposed(&[sweep]);
        let shown: Vec<_> = found.iter().map(|one| (one.host.as_str(), one.anonymous)).collect();
        assert_eq!(shown, [("10.0.1.2", false), ("10.0.1.3", true)]);
    }

    #[test]
    fn weak_points_are_those_that_were_seen() {
        let mut incident = fixtures::anonymous_beside_refused();
        assert_eq!(exposed(std::slice::from_ref(&incident))[0].weak_points(), ["anonymous or guest access"]);
        incident.counted.logons_anonymous = 0;
        incident.signing = vec!["required".into()];
        assert_eq!(exposed(std::slice::from_ref(&incident))[0].weak_points(), [""; 0]);
        incident.signing.push("enabled".into());
        assert_eq!(exposed(&[incident])[0].weak_points(), ["signing not required"]);
    }
}
