//! Facts about the hosts of a connection that are looked up before it becomes part of an incident.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sensor_core::{HostPair, enrichment::Enrichment, incident::Enriched, time::Timestamp};

use super::worker::Lookup;
use crate::storage::day_of;

/// Pairs of hosts that are kept, and for how long.
const MAX_PAIRS: usize = 64;
const KEPT: Duration = Duration::from_secs(2);

/// Pairs that are looked up at a time, and in a second: a flood of connections must not keep the worker from incidents.
const MAX_ASKED: usize = 8;
const MAX_IN_A_SECOND: u32 = 200;

/// The facts about pairs of hosts. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefetched(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    pairs: Mutex<VecDeque<Pair>>,
    /// Those about which the worker was asked and has not answered.
    asked: Mutex<BTreeSet<HostPair>>,
}

#[derive(Debug)]
struct Pair {
    hosts: HostPair,
    looked: Instant,
    /// The day that its [`Sightings`](sensor_core::enrichment::Sightings) take for today.
    day: i64,
    internal: Enrichment,
    external: Enrichment,
}

/// Limits the questions of each second.
#[derive(Debug)]
pub(super) struct Rate {
    since: Instant,
    asked: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self { since: Instant::now(), asked: 0 }
    }
}

impl Rate {
    /// Whether one more may be asked now; counts it.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self { since: now, asked: 0 };
        }
        let admitted = self.asked < MAX_IN_A_SECOND;
        self.asked += u32::from(admitted);
        admitted
    }
}

impl Prefetched {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Pair>> {
        self.0.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, BTreeSet<HostPair>> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a question about these hosts is of use: they are not known, and the worker is not busy with them or with too many
    /// others. If so, they count as asked about.
    pub(super) fn wants(&self, hosts: HostPair) -> bool {
        let mut asked = self.asked();
        let is_known = || self.lock().iter().any(|one| one.hosts == hosts && one.looked.elapsed() < KEPT);
        asked.len() < MAX_ASKED && !asked.contains(&hosts) && !is_known() && asked.insert(hosts)
    }

    /// A question will not be answered.
    pub(super) fn give_up(&self, hosts: HostPair) {
        self.asked().remove(&hosts);
    }

    /// Takes the answer to a question; `now` is the time that its sightings contain.
    pub(super) fn answer(&self, hosts: HostPair, internal: Enrichment, external: Enrichment, now: Timestamp) {
        self.asked().remove(&hosts);
        let mut pairs = self.lock();
        pairs.retain(|one| one.hosts != hosts);
        if pairs.len() == MAX_PAIRS {
            pairs.pop_front();
        }
        let day = day_of(now.unix_nanos());
        pairs.push_back(Pair { hosts, looked: Instant::now(), day, internal, external });
    }

    /// Forgets everything: a source changed.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The answer to a question about an incident, if its hosts were looked up a moment ago. What was looked up for other internal
    /// hosts with this external one is forgotten: the incident adds to the sightings of it.
    pub(super) fn known(&self, question: &Lookup) -> Option<Enriched> {
        let hosts = (question.internal?, question.external?);
        let (first, last, level) = question.seen;
        let mut pairs = self.lock();
        pairs.retain(|one| one.hosts.1 != hosts.1 || one.hosts == hosts);
        let pair = pairs.iter().find(|one| one.hosts == hosts && one.looked.elapsed() < KEPT)?;
        // Otherwise the number of days may be another one.
        if [first, last].iter().any(|at| day_of(at.unix_nanos()) != pair.day) {
            return None;
        }
        let mut external = pair.external.clone();
        if let Some(sightings) = &mut external.sightings {
            sightings.first = sightings.first.min(first);
            sightings.level = sightings.level.max(level);
        }
        Some(Enriched { incident: question.incident, internal: pair.internal.clone(), external })
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::{
        enrichment::Sightings,
        incident::{IncidentId, fixtures::after},
        level::EvidenceLevel,
    };

    use super::*;

    fn hosts(number: u8) -> HostPair {
        ([10, 0, 0, number].into(), [8, 8, 4, 4].into())
    }

    fn question(number: u8, seen: (Timestamp, Timestamp, EvidenceLevel)) -> Lookup {
        let (internal, external) = hosts(number);
        Lookup { incident: IncidentId(7), internal: Some(internal), external: Some(external), seen }
    }

    fn seen(first: Timestamp, level: EvidenceLevel) -> Enrichment {
        let sightings = Some(Sightings { first, days: 2, hosts: 3, level });
        Enrichment { sightings, ..Enrichment::default() }
    }

    #[test]
    fn answer_holds_what_the_incident_shows_too() {
        let prefetched = Prefetched::default();
        assert!(prefetched.wants(hosts(1)));
        prefetched.answer(
            hosts(1),
            Enrichment::default(),
            seen(after(100), EvidenceLevel::Connected),
            after(100),
        );
        assert!(!prefetched.wants(hosts(1)), "they are known");
        let found = |at, level| prefetched.known(&question(1, (at, at, level))).map(|known| known.external);
        assert_eq!(found(after(50), EvidenceLevel::Smb), Some(seen(after(50), EvidenceLevel::Smb)));
        assert_eq!(
            found(after(150), EvidenceLevel::Attempt),
            Some(seen(after(100), EvidenceLevel::Connected))
        );
        assert_eq!(found(after(-86_400_000), EvidenceLevel::Smb), None, "that is another day");
        assert_eq!(prefetched.known(&question(2, (after(0), after(0), EvidenceLevel::Smb))), None);
        let many = Lookup { external: None, ..question(1, (after(0), after(0), EvidenceLevel::Smb)) };
        assert_eq!(prefetched.known(&many), None);
        prefetched.clear();
        assert_eq!(found(after(50), EvidenceLevel::Smb), None);
    }

    #[test]
    fn incident_ends_what_is_known_for_other_internal_hosts() {
        let prefetched = Prefetched::default();
        for number in [1, 2] {
            prefetched.answer(
                hosts(number),
                Enrichment::default(),
                seen(after(0), EvidenceLevel::Smb),
                after(0),
            );
        }
        let known =
            |number| prefetched.known(&question(number, (after(0), after(0), EvidenceLevel::Smb))).is_some();
        assert_eq!([known(1), known(2)], [true, false]);
    }

    #[test]
    fn what_is_asked_and_kept_is_bounded() {
        let prefetched = Prefetched::default();
        let asked = (0..=255).filter(|number| prefetched.wants(hosts(*number))).count();
        assert_eq!(asked, MAX_ASKED);
        prefetched.give_up(hosts(0));
        assert!(prefetched.wants(hosts(200)) && !prefetched.wants(hosts(201)));
        prefetched.give_up(hosts(200));
        assert!(!prefetched.wants(hosts(1)), "it is asked about already");
        for number in 0..=u8::MAX {
            let _ = prefetched.wants(hosts(number));
            prefetched.answer(hosts(number), Enrichment::default(), Enrichment::default(), after(0));
        }
        assert_eq!(prefetched.lock().len(), MAX_PAIRS);
        let (mut rate, now) = (Rate::default(), Instant::now());
        assert_eq!((0..1_000).filter(|_| rate.admits(now)).count(), MAX_IN_A_SECOND as usize);
        assert!(rate.admits(now + Duration::from_secs(2)));
    }
}
