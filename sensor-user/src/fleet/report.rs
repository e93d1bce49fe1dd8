//! What the messages of all sensors add up to.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sensor_core::{level::Severity, time::Timestamp};
use serde::{Deserialize, Serialize};

use crate::{health::Health, rfc3339::rfc3339};

/// Most incidents that are remembered.
const MOST: usize = 200_000;

/// Time that a report of health may be late, beside two that may be missing.
const LATE: Duration = Duration::from_secs(5);

/// Most seconds between two reports, whatever a sensor says of itself: the most that a configuration may say.
const MAX_INTERVAL: u64 = 3_600;

/// The sensor that published a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Publisher<'a> {
    pub(super) site: &'a str,
    pub(super) sensor: &'a str,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// By site and sensor.
    sensors: BTreeMap<(String, String), Option<(Health, Timestamp)>>,
    /// The last document of each, by site, sensor and identifier.
    incidents: BTreeMap<(String, String, String), Seen>,
    /// Messages that are no documents of a sensor.
    unread: u64,
    /// Incidents beyond the bound.
    beyond: u64,
}

#[derive(Debug)]
struct Seen {
    severity: Severity,
    is_open: bool,
    external: Vec<String>,
    last: Timestamp,
}

/// The fleet.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) sensors: Vec<SensorReport>,
    pub(super) incidents: Incidents,
    pub(super) external_hosts: Vec<ExternalHost>,
    /// Messages of the stream that could not be read.
    pub(super) unread: u64,
}

/// A sensor.
#[derive(Debug, Serialize)]
pub(super) struct SensorReport {
    pub(super) site: String,
    pub(super) sensor: String,
    pub(super) state: State,
    /// Seconds since the last report.
    pub(super) age: Option<u64>,
    /// Documents that its slowest output has not delivered.
    pub(super) lag: Option<u64>,
    /// Everything that it lost.
    pub(super) lost: Option<u64>,
    pub(super) health: Option<Health>,
}

/// Whether a sensor reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It does.
    Alive,
    /// It has stopped to.
    Silent,
    /// It never did, and there are incidents of it.
    Unknown,
}

/// Numbers of incidents.
#[derive(Debug, Serialize)]
pub(super) struct Incidents {
    pub(super) since: String,
    pub(super) open: u64,
    /// By severity, the worst first.
    pub(super) critical: u64,
    pub(super) high: u64,
    pub(super) medium: u64,
    pub(super) low: u64,
    /// Further ones that were not counted.
    pub(super) beyond: u64,
}

/// An external host that was seen at several sites.
#[derive(Debug, Serialize)]
pub(super) struct ExternalHost {
    pub(super) address: String,
    pub(super) sites: Vec<String>,
    pub(super) incidents: u64,
    pub(super) severity: &'static str,
    pub(super) last: String,
}

/// The part of a document that is of interest.
#[derive(Deserialize)]
struct Document {
    smb_sensor: Own,
}

#[derive(Deserialize)]
struct Own {
    incident: Incident,
}

#[derive(Deserialize)]
struct Incident {
    id: String,
    severity: String,
    #[serde(default)]
    closed: Option<String>,
    #[serde(default)]
    external_addresses: Vec<String>,
}

impl Gathered {
    /// Takes the health of a sensor, which was stored at this time.
    pub(super) fn health(&mut self, of: Publisher<'_>, body: &[u8], at: Timestamp) {
        match serde_json::from_slice(body) {
            Ok(health) => {
                self.sensors.insert((of.site.to_owned(), of.sensor.to_owned()), Some((health, at)));
            }
            Err(_) => self.unread += 1,
        }
    }

    /// Takes a document about an incident, which replaces an earlier one about the same.
    pub(super) fn incident(&mut self, of: Publisher<'_>, body: &[u8], at: Timestamp) {
        let read = serde_json::from_slice::<Document>(body).ok();
        let severity = read.as_ref().and_then(|one| {
            Severity::ALL.into_iter().find(|severity| severity.name() == one.smb_sensor.incident.severity)
        });
        let (Some(Document { smb_sensor: Own { incident } }), Some(severity)) = (read, severity) else {
            // A summary of the quota is about no incident.
            self.unread += u64::from(serde_json::from_slice::<serde_json::Value>(body).is_err());
            return;
        };
        let (site, sensor) = (of.site.to_owned(), of.sensor.to_owned());
        self.sensors.entry((site.clone(), sensor.clone())).or_default();
        let key = (site, sensor, incident.id);
        if self.incidents.len() >= MOST && !self.incidents.contains_key(&key) {
            self.beyond += 1;
            return;
        }
        let is_open = incident.closed.is_none();
        self.incidents
            .insert(key, Seen { severity, is_open, external: incident.external_addresses, last: at });
    }

    pub(super) fn report(self, since: Timestamp, now: Timestamp) -> Report {
        let count = |severity| self.incidents.values().filter(|one| one.severity == severity).count() as u64;
        let incidents = Incidents {
            since: rfc3339(since),
            open: self.incidents.values().filter(|one| one.is_open).count() as u64,
            critical: count(Severity::Critical),
            high: count(Severity::High),
            medium: count(Severity::Medium),
            low: count(Severity::Low),
            beyond: self.beyond,
        };
        let external_hosts = at_several_sites(&self.incidents);
        let sensors = self.sensors.into_iter().map(|((site, sensor), health)| {
            let Some((health, at)) = health else {
                let state = State::Unknown;
                return SensorReport { site, sensor, state, age: None, lag: None, lost: None, health: None };
            };
            let age = now.since(at);
            let is_alive = age <= Duration::from_secs(health.interval.min(MAX_INTERVAL) * 3) + LATE;
            SensorReport {
                site,
                sensor,
                state: if is_alive { State::Alive } else { State::Silent },
                age: Some(age.as_secs()),
                lag: Some(health.lag()),
                lost: Some(health.lost.total()),
                health: Some(health),
            }
        });
        Report { sensors: sensors.collect(), incidents, external_hosts, unread: self.unread }
    }
}

/// External hosts in incidents of several sites; those of most sites first.
fn at_several_sites(incidents: &BTreeMap<(String, String, String), Seen>) -> Vec<ExternalHost> {
    #[derive(Default)]
    struct Host<'a> {
        sites: BTreeSet<&'a str>,
        incidents: u64,
        worst: Option<Severity>,
        last: Timestamp,
    }
    let mut hosts: BTreeMap<&str, Host<'_>> = BTreeMap::new();
    for ((site, ..), seen) in incidents {
        for address in &seen.external {
            let host = hosts.entry(address).or_default();
            host.sites.insert(site);
            host.incidents += 1;
            host.worst = host.worst.max(Some(seen.severity));
            host.last = host.last.max(seen.last);
        }
    }
    let mut several: Vec<_> = hosts.into_iter().filter(|(_, host)| host.sites.len() > 1).collect();
    several.sort_by_key(|(_, host)| std::cmp::Reverse((host.sites.len(), host.worst, host.last)));
    let host = |(address, host): (&str, Host<'_>)| ExternalHost {
        address: address.to_owned(),
        sites: host.sites.into_iter().map(str::to_owned).collect(),
        incidents: host.incidents,
        severity: host.worst.map_or("", Severity::name),
        last: rfc3339(host.last),
    };
    several.into_iter().map(host).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::fleet) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000 + seconds)
    }

    fn publisher(of: (&'static str, &'static str)) -> Publisher<'static> {
        Publisher { site: of.0, sensor: of.1 }
    }

    fn document(id: &str, severity: &str, closed: bool, external: &str) -> Vec<u8> {
        let closed = if closed { ",\"closed\":\"2026-01-01T00:00:00.000Z\"" } else { "" };
        format!(
            "{{\"smb_sensor\":{{\"incident\":{{\"id\":\"{id}\",\"severity\":\"{severity}\",\
             \"external_addresses\":[\"{external}\"]{closed}}}}}}}"
        )
        .into_bytes()
    }

    pub(in crate::fleet) fn fleet() -> Report {
        let mut gathered = Gathered::default();
        let health = Health {
            version: "0.1.0".to_owned(),
            interval: 30,
            interfaces: vec!["lan0".to_owned()],
            uptime: 90_000,
            ..Health::default()
        };
        let body = |health: &Health| serde_json::to_vec(health).unwrap();
        let waiting = crate::health::OutputHealth { waiting: 7, ..Default::default() };
        let lost = crate::health::Lost { packets: 2, ..Default::default() };
        let behind = Health { outputs: vec![waiting], lost, ..health.clone() };
        let (graz, vienna) = (("graz", "a"), ("vienna", "gate\u{1b}[31m"));
        gathered.health(publisher(graz), &body(&behind), at(0));
        gathered.health(publisher(vienna), &body(&health), at(95));
        gathered.health(publisher(("prague", "b")), b"nonsense", at(0));
        gathered.incident(publisher(graz), &document("1", "low", false, "8.8.4.4"), at(1));
        gathered.incident(publisher(graz), &document("1", "critical", true, "8.8.4.4"), at(2));
        gathered.incident(publisher(vienna), &document("1", "high", false, "8.8.4.4"), at(3));
        gathered.incident(publisher(vienna), &document("2", "high", false, "9.9.9.9"), at(4));
        gathered.incident(publisher(("prague", "b")), &document("1", "low", false, "1.1.1.1"), at(5));
        gathered.incident(publisher(graz), b"{\"event\":{}}", at(6));
        gathered.report(at(-86_400), at(100))
    }

    #[test]
    fn sensor_cannot_say_that_it_stays_alive() {
        let health = Health { interval: u64::MAX, ..Health::default() };
        let state = |age: i64| {
            let mut gathered = Gathered::default();
            gathered.health(publisher(("graz", "a")), &serde_json::to_vec(&health).unwrap(), at(0));
            gathered.report(at(-1), at(age)).sensors[0].state
        };
        assert_eq!((state(3_600), state(4 * 3_600)), (State::Alive, State::Silent));
    }

    #[test]
    fn sensors_are_alive_while_they_report() {
        let report = fleet();
        let states: Vec<_> = report
            .sensors
            .iter()
            .map(|one| (one.site.as_str(), one.state, one.age, one.lag, one.lost))
            .collect();
        assert_eq!(
            states,
            [
                ("graz", State::Silent, Some(100), Some(7), Some(2)),
                ("prague", State::Unknown, None, None, None),
                ("vienna", State::Alive, Some(5), Some(0), Some(0)),
            ]
        );
        assert_eq!(report.unread, 1);
    }

    #[test]
    fn each_incident_counts_as_its_last_document_says() {
        let incidents = fleet().incidents;
        let counts = (incidents.critical, incidents.high, incidents.medium, incidents.low, incidents.open);
        assert_eq!(counts, (1, 2, 0, 1, 3));
    }

    #[test]
    fn external_host_of_several_sites_is_named_with_them() {
        let hosts = fleet().external_hosts;
        let [host] = &hosts[..] else { panic!("{hosts:?}") };
        assert_eq!((host.address.as_str(), host.incidents, host.severity), ("8.8.4.4", 2, "critical"));
        assert_eq!(host.sites, ["graz", "vienna"]);
        assert_eq!(host.last, rfc3339(at(3)));
    }
}
