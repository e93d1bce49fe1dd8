//! What the messages of all sensors add up to.

use std::{collections::BTreeMap, time::Duration};

use sensor_core::{level::Severity, time::Timestamp};
use serde::{Deserialize, Serialize};

use super::campaign::{Campaign, Key, Seen, campaigns};
use crate::{
    health::Health,
    rfc3339::{parse_rfc3339, rfc3339},
};

/// Most incidents that are remembered.
const MOST: usize = 200_000;

/// Time that a report of health may be late, beside two that may be missing.
const LATE: Duration = Duration::from_secs(5);

/// Most external addresses of a document that are of interest: a sensor lists no more.
const MAX_ADDRESSES: usize = 16;

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
    incidents: BTreeMap<Key, Seen>,
    /// Messages that are no documents of a sensor.
    unread: u64,
    /// Incidents beyond the bound.
    beyond: u64,
}

/// The fleet.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) sensors: Vec<SensorReport>,
    pub(super) incidents: Incidents,
    pub(super) campaigns: Vec<Campaign>,
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
    first: String,
    last: String,
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

    /// Takes a document about an incident, which was stored at this time and replaces an earlier one about the same.
    pub(super) fn incident(&mut self, of: Publisher<'_>, body: &[u8], at: Timestamp) {
        let Some((id, seen)) = read(body, at) else {
            // A summary of the quota is about no incident.
            self.unread += u64::from(serde_json::from_slice::<serde_json::Value>(body).is_err());
            return;
        };
        let (site, sensor) = (of.site.to_owned(), of.sensor.to_owned());
        self.sensors.entry((site.clone(), sensor.clone())).or_default();
        let key = (site, sensor, id);
        if self.incidents.len() >= MOST && !self.incidents.contains_key(&key) {
            self.beyond += 1;
            return;
        }
        self.incidents.insert(key, seen);
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
        let campaigns = campaigns(&self.incidents);
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
        Report { sensors: sensors.collect(), incidents, campaigns, unread: self.unread }
    }
}

/// The identifier of an incident, and what a document says about it. Anybody who may publish chooses the text, but not the time
/// at which it is stored: nothing in it is later.
fn read(body: &[u8], at: Timestamp) -> Option<(String, Seen)> {
    let Document { smb_sensor: Own { incident } } = serde_json::from_slice(body).ok()?;
    let severity = Severity::ALL.into_iter().find(|severity| severity.name() == incident.severity)?;
    let addresses = incident.external_addresses.iter().take(MAX_ADDRESSES);
    let seen = Seen {
        severity,
        is_open: incident.closed.is_none(),
        external: addresses.filter_map(|address| address.parse().ok()).collect(),
        first: parse_rfc3339(&incident.first)?.min(at),
        last: parse_rfc3339(&incident.last)?.min(at),
    };
    Some((incident.id, seen))
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

    fn document(id: &str, severity: &str, closed: bool, external: &str, seconds: i64) -> Vec<u8> {
        let closed = if closed { ",\"closed\":\"2026-01-01T00:00:00.000Z\"" } else { "" };
        let (first, last) = (rfc3339(at(0)), rfc3339(at(seconds)));
        format!(
            "{{\"smb_sensor\":{{\"incident\":{{\"id\":\"{id}\",\"severity\":\"{severity}\",\
             \"external_addresses\":[\"{external}\"],\"first\":\"{first}\",\"last\":\"{last}\"{closed}}}}}}}"
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
        gathered.incident(publisher(graz), &document("1", "low", false, "8.8.4.4", 1), at(1 + 10));
        gathered.incident(publisher(graz), &document("1", "critical", true, "8.8.4.4", 2), at(2 + 10));
        gathered.incident(publisher(vienna), &document("1", "high", false, "8.8.4.4", 3), at(3 + 10));
        gathered.incident(publisher(vienna), &document("2", "high", false, "9.9.9.9", 4), at(4 + 10));
        gathered.incident(publisher(("prague", "b")), &document("1", "low", false, "1.1.1.1", 5), at(5 + 10));
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
    fn addresses_and_times_of_a_document_are_plausible() {
        let list: Vec<String> = (0..100).map(|number| format!("\"8.8.4.{number}\"")).collect();
        let addresses = |list: &str| {
            let body = String::from_utf8(document("1", "low", false, "x", 1)).unwrap();
            read(body.replace("\"x\"", list).as_bytes(), at(1)).unwrap().1.external.len()
        };
        let early = read(&document("1", "low", false, "8.8.4.4", 9), at(4)).unwrap().1;
        assert_eq!((early.first, early.last), (at(0), at(4)), "it cannot have been seen after it was stored");
        assert_eq!(addresses(&list.join(",")), MAX_ADDRESSES);
        assert_eq!(addresses("\"8.8.4.4\",\"\\u001b[31m\",\"\",\"2001:db8::1\""), 2);
    }
}
