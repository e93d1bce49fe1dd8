//! Internal hosts that answered external hosts.

use std::{collections::HashMap, net::IpAddr};

use askama::Template;
use axum::{extract::State, response::Response};
use sensor_core::{
    incident::Incident,
    level::{EvidenceLevel, Severity},
};
use sensor_dissect::escape::shown;

use super::{
    decoded,
    format::second,
    frame::{Frame, rendered},
    read,
};
use crate::{
    exposure::{ExposedHost, Exposures},
    http::Source,
    storage::IdentifierQuery,
};

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
    severity: Severity,
    level: &'static str,
    /// Dialects that it chose.
    dialects: String,
    /// What makes it easier to attack than its open port does.
    weak: String,
    since: String,
    last: String,
    /// The worst incident, and how many there are.
    incident: String,
    incidents: usize,
}

/// The hosts of the page, while incidents are read.
#[derive(Default)]
struct Hosts {
    exposures: Exposures,
    /// The worst incident of each.
    worst: HashMap<IpAddr, (Severity, String, String)>,
}

pub(super) async fn page(State(source): State<Source>) -> Response {
    read(source, |source, reader| {
        let mut hosts = Hosts::default();
        for id in reader.identifiers(&IdentifierQuery::default())? {
            let Some(row) = reader.identified(&id)? else { continue };
            hosts.add(&decoded(&row)?);
        }
        Ok(rendered(&Exposed { frame: Frame::of(source, "exposed"), hosts: hosts.rows() }))
    })
    .await
}

impl Hosts {
    /// Adds an incident. They come with the worst first.
    fn add(&mut self, incident: &Incident) {
        for server in self.exposures.add(incident) {
            let is_its_own = incident.server().only_address() == Some(server);
            let name = incident.server().name.clone().filter(|_| is_its_own).unwrap_or_default();
            self.worst.entry(server).or_insert((incident.severity, incident.id.to_string(), name));
        }
    }

    /// A row for each, the one that is worst and let somebody farthest in first.
    fn rows(mut self) -> Vec<HostRow> {
        let rows = self.exposures.finish().into_iter().filter_map(|host| {
            let worst = self.worst.remove(&host.host.parse().ok()?)?;
            Some((worst.0, row(host, worst)))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

fn row(host: ExposedHost, (severity, incident, name): (Severity, String, String)) -> HostRow {
    let ports: Vec<_> = host.ports.iter().map(String::as_str).collect();
    let dialects: Vec<_> = host.dialects.iter().map(|one| shown(one.as_bytes())).collect();
    HostRow {
        name: shown(name.as_bytes()),
        ports: ports.join(", "),
        severity,
        level: host.evidence.map_or("", EvidenceLevel::name),
        dialects: dialects.join(", "),
        weak: host.weak_points().join(", "),
        incident,
        incidents: host.incidents.len(),
        address: host.host,
        since: second(host.times.0),
        last: second(host.times.1),
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::{address::Direction, incident::fixtures};

    use super::*;

    #[test]
    fn hosts_that_answered_strangers_are_listed_once() {
        let mut hosts = Hosts::default();
        let silent = fixtures::pair(Direction::Inbound, "10.9.9.9", "8.8.8.8", EvidenceLevel::Refused);
        let guessing = fixtures::guessing_succeeded();
        for incident in [guessing.clone(), fixtures::exposure(), fixtures::leak_accepted(), silent] {
            hosts.add(&incident);
        }
        let rows = hosts.rows();
        assert_eq!(rows.len(), 1, "neither an external server nor one that refused is exposed");
        assert_eq!(rows[0].address, guessing.server().phrase());
        assert_eq!((rows[0].severity, rows[0].incidents), (Severity::Critical, 2));
        assert_eq!(rows[0].incident, guessing.id.to_string());
    }
}
