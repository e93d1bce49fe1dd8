//! Internal hosts that answered strangers.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, response::Response};
use sensor_core::{
    incident::Incident,
    level::{EvidenceLevel, Severity},
    time::Timestamp,
};
use sensor_dissect::escape::shown;

use super::{
    decoded,
    frame::{Frame, rendered},
    read,
    words::second,
};
use crate::{exposure::is_exposure, http::Source, storage::IdentifierQuery};

#[derive(Template)]
#[template(path = "exposed.html")]
struct Exposed {
    frame: Frame,
    hosts: Vec<HostRow>,
}

struct HostRow {
    address: String,
    name: String,
    ports: String,
    severity: &'static str,
    level: &'static str,
    last: String,
    /// The worst incident, and how many there are.
    incident: String,
    incidents: usize,
}

/// What all incidents say of one host.
struct Host {
    worst: Incident,
    ports: Vec<String>,
    severity: Severity,
    level: EvidenceLevel,
    last: Timestamp,
    incidents: usize,
}

pub(super) async fn page(State(source): State<Source>) -> Response {
    read(source, |source, reader| {
        let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
        for id in reader.identifiers(&IdentifierQuery::default())? {
            let Some(row) = reader.identified(&id)? else { continue };
            note(&mut hosts, decoded(&row)?);
        }
        let mut hosts: Vec<_> = hosts.into_iter().collect();
        hosts.sort_by_key(|(_, host)| std::cmp::Reverse((host.severity, host.level, host.last)));
        let hosts = hosts.into_iter().map(|(address, host)| host.row(address)).collect();
        Ok(rendered(&Exposed { frame: Frame::of(source, "exposed"), hosts }))
    })
    .await
}

/// Adds an incident, if it shows that an internal host answered. Incidents come with the worst first.
fn note(hosts: &mut BTreeMap<String, Host>, incident: Incident) {
    let Some(address) = incident.server().only_address().filter(|_| is_exposure(&incident)) else { return };
    let ports = incident.ports_phrase();
    let host = hosts.entry(address.to_string()).or_insert_with(|| Host {
        ports: Vec::new(),
        severity: incident.severity,
        level: incident.level,
        last: incident.last,
        incidents: 0,
        worst: incident.clone(),
    });
    if !host.ports.contains(&ports) {
        host.ports.push(ports);
    }
    host.severity = host.severity.max(incident.severity);
    host.level = host.level.max(incident.level);
    host.last = host.last.max(incident.last);
    host.incidents += 1;
}

impl Host {
    fn row(self, address: String) -> HostRow {
        HostRow {
            address,
            name: shown(self.worst.server().name.as_deref().unwrap_or_default().as_bytes()),
            ports: self.ports.join(", "),
            severity: self.severity.name(),
            level: self.level.name(),
            last: second(self.last),
            incident: self.worst.id.to_string(),
            incidents: self.incidents,
        }
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::{address::Direction, incident::fixtures};

    use super::*;

    #[test]
    fn hosts_that_answered_strangers_are_listed_once() {
        let mut hosts = BTreeMap::new();
        for incident in [fixtures::guessing_succeeded(), fixtures::exposure(), fixtures::leak_accepted()] {
            note(&mut hosts, incident);
        }
        let server = fixtures::guessing_succeeded().server().phrase();
        assert!(hosts.contains_key(&server), "{:?}", hosts.keys());
        assert!(!hosts.contains_key("8.8.4.4"), "an external server is no exposed host");
        let silent = fixtures::pair(Direction::Inbound, "10.9.9.9", "8.8.8.8", EvidenceLevel::Refused);
        note(&mut hosts, silent);
        assert!(!hosts.contains_key("10.9.9.9"));
    }
}
