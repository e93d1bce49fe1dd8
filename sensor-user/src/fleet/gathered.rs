//! Health reports and incidents that were read from a stream.

use std::collections::BTreeMap;

use sensor_core::time::Timestamp;

use super::{
    campaign::Key,
    document::{self, Seen},
};
use crate::health::Health;

/// Most bytes of a report of health, and of the identifier of an incident: sensors send far shorter ones.
const MAX_HEALTH: usize = 64 * 1024;
const MAX_ID: usize = 64;

/// The sensor that published a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Publisher<'a> {
    pub(super) site: &'a str,
    pub(super) sensor: &'a str,
}

/// Site and name of a sensor.
pub(super) type Name = (String, String);

/// The latest health of each sensor.
#[derive(Debug, Default)]
pub(super) struct Reports {
    pub(super) sensors: BTreeMap<Name, (Health, Timestamp)>,
    /// Messages that are no reports of a sensor.
    pub(super) unread: u64,
    /// Sensors that were not asked for.
    pub(super) beyond: u64,
}

/// Incidents.
#[derive(Debug)]
pub(super) struct Happened {
    /// Most sensors that are remembered.
    most_sensors: usize,
    /// Most incidents that are remembered.
    most_incidents: usize,
    /// When a sensor last published one.
    pub(super) sensors: BTreeMap<Name, Timestamp>,
    /// The last document of each, by site, sensor and identifier.
    pub(super) incidents: BTreeMap<Key, Seen>,
    /// Messages that are no documents of a sensor.
    pub(super) unread: Count,
    /// Documents about further incidents, or of further sensors.
    pub(super) beyond: Count,
}

/// Messages, and the time of the last one.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) messages: u64,
    last: Timestamp,
}

impl Reports {
    /// Takes the health of a sensor, which was stored at this time.
    pub(super) fn take(&mut self, of: Publisher<'_>, body: &[u8], at: Timestamp) {
        match serde_json::from_slice(body) {
            Ok(health) if body.len() <= MAX_HEALTH => {
                self.sensors.insert(of.name(), (health, at));
            }
            _ => self.unread += 1,
        }
    }
}

impl Happened {
    /// Nothing yet; at most so many sensors and incidents.
    pub(super) fn new(most_sensors: usize, most_incidents: usize) -> Self {
        let (sensors, incidents) = (BTreeMap::new(), BTreeMap::new());
        Self {
            most_sensors,
            most_incidents,
            sensors,
            incidents,
            unread: Count::default(),
            beyond: Count::default(),
        }
    }

    /// Takes a document about an incident, which was stored at this time and replaces an earlier one about the same.
    pub(super) fn take(&mut self, of: Publisher<'_>, body: &[u8], at: Timestamp) {
        let Some((id, seen)) = document::read(body, at) else {
            // A summary of the quota is about no incident.
            if serde_json::from_slice::<serde_json::Value>(body).is_err() {
                self.unread.add(at);
            }
            return;
        };
        if id.len() > MAX_ID {
            self.unread.add(at);
            return;
        }
        let name = of.name();
        if self.sensors.len() >= self.most_sensors && !self.sensors.contains_key(&name) {
            self.beyond.add(at);
            return;
        }
        self.sensors.insert(name.clone(), at);
        let (site, sensor) = name;
        let key = (site, sensor, id);
        if self.incidents.len() >= self.most_incidents && !self.incidents.contains_key(&key) {
            self.beyond.add(at);
            return;
        }
        self.incidents.insert(key, seen);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.most_sensors, self.most_incidents);
    }

    /// Forgets everything of which nothing was stored since this time.
    pub(super) fn forget_before(&mut self, since: Timestamp) {
        self.incidents.retain(|_, seen| seen.stored >= since);
        self.sensors.retain(|_, last| *last >= since);
        for count in [&mut self.unread, &mut self.beyond] {
            if count.last < since {
                *count = Count::default();
            }
        }
    }
}

impl Count {
    fn add(&mut self, at: Timestamp) {
        self.messages += 1;
        self.last = self.last.max(at);
    }
}

impl Publisher<'_> {
    fn name(self) -> Name {
        (self.site.to_owned(), self.sensor.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::{at, document};
    use super::*;

    const GRAZ: Publisher<'static> = Publisher { site: "graz", sensor: "a" };

    #[test]
    fn incidents_are_bounded_and_the_others_are_counted() {
        let mut happened = Happened::new(1, 2);
        for (id, seconds) in [("1", 1), ("2", 2), ("3", 3), ("2", 4)] {
            happened.take(GRAZ, &document(id, "low", false, "8.8.4.4", seconds), at(seconds));
        }
        assert_eq!((happened.incidents.len(), happened.beyond.messages), (2, 1));
        let known = (GRAZ.site.to_owned(), GRAZ.sensor.to_owned(), "2".to_owned());
        assert_eq!(happened.incidents[&known].stored, at(4), "one that is known goes on");
    }

    #[test]
    fn sensors_are_bounded_and_documents_of_the_others_are_counted() {
        let mut happened = Happened::new(2, 9);
        let mut publish = |sensor: &'static str, seconds| {
            let of = Publisher { site: "graz", sensor };
            happened.take(of, &document("1", "low", false, "8.8.4.4", seconds), at(seconds));
            (happened.sensors.len(), happened.incidents.len(), happened.beyond.messages)
        };
        let all = [("a", 1), ("b", 1), ("c", 2), ("a", 3)].map(|(sensor, seconds)| publish(sensor, seconds));
        assert_eq!(all, [(1, 1, 0), (2, 2, 0), (2, 2, 1), (2, 2, 1)], "one that is known goes on");
    }

    #[test]
    fn long_identifiers_and_reports_are_not_kept() {
        let mut happened = Happened::new(1, 9);
        happened.take(GRAZ, &document(&"1".repeat(65), "low", false, "8.8.4.4", 1), at(1));
        assert_eq!((happened.incidents.len(), happened.unread.messages), (0, 1));
        let mut reports = Reports::default();
        let health = Health { version: "v".repeat(MAX_HEALTH), ..Health::default() };
        reports.take(GRAZ, &serde_json::to_vec(&health).unwrap(), at(1));
        assert_eq!((reports.sensors.len(), reports.unread), (0, 1));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut happened = Happened::new(1, 1);
        happened.take(GRAZ, &document("1", "low", false, "8.8.4.4", 1), at(1));
        happened.take(GRAZ, &document("2", "low", false, "8.8.4.4", 2), at(2));
        happened.take(GRAZ, b"nonsense", at(2));
        happened.forget_before(at(2));
        assert_eq!((happened.incidents.len(), happened.sensors.len()), (0, 1));
        assert_eq!((happened.beyond.messages, happened.unread.messages), (1, 1));
        happened.forget_before(at(3));
        assert_eq!((happened.sensors.len(), happened.beyond.messages, happened.unread.messages), (0, 0, 0));
    }
}
