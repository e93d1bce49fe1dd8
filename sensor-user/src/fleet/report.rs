//! Sums up the messages of all sensors.

use std::{collections::BTreeMap, time::Duration};

use sensor_core::{level::Severity, time::Timestamp};
use serde::Serialize;

use super::{
    campaign::{Campaign, campaigns},
    gathered::{Happened, Name, Reports},
};
use crate::{health::Health, rfc3339::rfc3339};

/// Time that a report of health may be late, beside two that may be missing.
const LATE: Duration = Duration::from_secs(5);

/// Most seconds between two reports, whatever a sensor says of itself: the most that a configuration may say.
const MAX_INTERVAL: u64 = 3_600;

/// The fleet.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) sensors: Vec<SensorReport>,
    /// Sensors that were not asked for.
    pub(crate) sensors_beyond: u64,
    pub(crate) incidents: Incidents,
    pub(crate) campaigns: Vec<Campaign>,
    /// Messages of the stream that could not be read.
    pub(crate) unread: u64,
}

/// A sensor.
#[derive(Debug, Serialize)]
pub(crate) struct SensorReport {
    pub(crate) site: String,
    pub(crate) sensor: String,
    pub(crate) state: State,
    /// Seconds since the last report.
    pub(crate) age: Option<u64>,
    /// Documents that its slowest output has not delivered.
    pub(crate) lag: Option<u64>,
    /// Everything that it lost.
    pub(crate) lost: Option<u64>,
    pub(crate) health: Option<Health>,
}

/// Whether a sensor reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It does.
    Alive,
    /// It has stopped to.
    Silent,
    /// It never did, and there are incidents of it.
    Unknown,
}

/// Numbers of incidents.
#[derive(Debug, Serialize)]
pub(crate) struct Incidents {
    pub(crate) since: String,
    pub(crate) open: u64,
    /// By severity, the worst first.
    pub(crate) critical: u64,
    pub(crate) high: u64,
    pub(crate) medium: u64,
    pub(crate) low: u64,
    /// Further ones that were not counted.
    pub(crate) beyond: u64,
}

impl State {
    /// As a word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Silent => "silent",
            Self::Unknown => "unknown",
        }
    }
}

impl Report {
    /// The report of what was read, at this time.
    pub(super) fn of(reports: &Reports, happened: &Happened, since: Timestamp, now: Timestamp) -> Self {
        let count =
            |severity| happened.incidents.values().filter(|one| one.severity == severity).count() as u64;
        let incidents = Incidents {
            since: rfc3339(since),
            open: happened.incidents.values().filter(|one| one.is_open).count() as u64,
            critical: count(Severity::Critical),
            high: count(Severity::High),
            medium: count(Severity::Medium),
            low: count(Severity::Low),
            beyond: happened.beyond.messages,
        };
        let mut sensors: BTreeMap<&Name, Option<&(Health, Timestamp)>> =
            happened.sensors.keys().map(|name| (name, None)).collect();
        sensors.extend(reports.sensors.iter().map(|(name, report)| (name, Some(report))));
        Self {
            sensors: sensors.into_iter().map(|(name, report)| sensor(name, report, now)).collect(),
            sensors_beyond: reports.beyond,
            incidents,
            campaigns: campaigns(&happened.incidents),
            unread: reports.unread + happened.unread.messages,
        }
    }
}

fn sensor((site, sensor): &Name, report: Option<&(Health, Timestamp)>, now: Timestamp) -> SensorReport {
    let (site, sensor) = (site.clone(), sensor.clone());
    let Some((health, at)) = report else {
        let state = State::Unknown;
        return SensorReport { site, sensor, state, age: None, lag: None, lost: None, health: None };
    };
    let age = now.since(*at);
    let is_alive = age <= Duration::from_secs(health.interval.min(MAX_INTERVAL) * 3) + LATE;
    SensorReport {
        site,
        sensor,
        state: if is_alive { State::Alive } else { State::Silent },
        age: Some(age.as_secs()),
        lag: Some(health.lag()),
        lost: Some(health.lost.total()),
        health: Some(health.clone()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{
        document::tests::{at, document},
        gathered::Publisher,
    };
    use super::*;

    fn publisher(of: (&'static str, &'static str)) -> Publisher<'static> {
        Publisher { site: of.0, sensor: of.1 }
    }

    pub(in crate::fleet) fn fleet() -> Report {
        let (mut reports, mut happened) = (Reports::default(), Happened::new(100, 100));
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
        reports.take(publisher(graz), &body(&behind), at(0));
        reports.take(publisher(vienna), &body(&health), at(95));
        reports.take(publisher(("prague", "b")), b"nonsense", at(0));
        for (of, id, severity, closed, external, seconds) in [
            (graz, "1", "low", false, "8.8.4.4", 1),
            (graz, "1", "critical", true, "8.8.4.4", 2),
            (vienna, "1", "high", false, "8.8.4.4", 3),
            (vienna, "2", "high", false, "9.9.9.9", 4),
            (("prague", "b"), "1", "low", false, "1.1.1.1", 5),
        ] {
            let document = document(id, severity, closed, external, seconds);
            happened.take(publisher(of), &document, at(seconds + 10));
        }
        happened.take(publisher(graz), b"{\"event\":{}}", at(6));
        Report::of(&reports, &happened, at(-86_400), at(100))
    }

    #[test]
    fn sensor_cannot_say_that_it_stays_alive() {
        let health = Health { interval: u64::MAX, ..Health::default() };
        let state = |age: i64| {
            let mut reports = Reports::default();
            reports.take(publisher(("graz", "a")), &serde_json::to_vec(&health).unwrap(), at(0));
            Report::of(&reports, &Happened::new(1, 1), at(-1), at(age)).sensors[0].state
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
}
