//! The stage between the core and the store: a new incident waits here for facts about its hosts, for a moment at most.
//!
//! Takes batches, asks the worker about the hosts of their incidents, and passes the batches on in their order. Never waits
//! itself. An answer that comes too late goes to the core, which writes an update.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use sensor_core::{
    HostPair,
    event::Event,
    incident::{Enriched, IncidentAction, IncidentEvent, IncidentId},
    time::Timestamp,
};

use super::worker::{Lookup, LookupSender};
use crate::{
    config::Config,
    pipeline::{Batch, Output, Saving},
    sinks::OutputStatus,
    statistics::OutputCounts,
};

/// Time for which a new incident waits.
const PATIENCE: Duration = Duration::from_millis(200);

/// Batches that wait at most.
const MAX_WAITING: usize = 1_024;

/// An output whose incidents are enriched on their way.
pub struct Enriching<O> {
    output: O,
    lookups: LookupSender,
    waiting: VecDeque<WaitingBatch>,
    /// New incidents that come next and have what is known already.
    completed: BTreeSet<IncidentId>,
}

/// A batch that waits, or stands behind one that does.
struct WaitingBatch {
    batch: Batch,
    since: Timestamp,
    /// Incidents about whose hosts no answer came yet.
    awaited: BTreeSet<IncidentId>,
}

impl<O: Output> Enriching<O> {
    /// Enriches what goes to `output`.
    #[must_use]
    pub const fn new(output: O, lookups: LookupSender) -> Self {
        Self { output, lookups, waiting: VecDeque::new(), completed: BTreeSet::new() }
    }

    /// Passes on the first batches, as far as `is_ready` says so.
    fn pass_on(&mut self, now: Timestamp, is_ready: impl Fn(&WaitingBatch) -> bool) {
        while self
            .waiting
            .front()
            .is_some_and(|waiting| self.waiting.len() > MAX_WAITING || is_ready(waiting))
            && let Some(waiting) = self.waiting.pop_front()
        {
            self.output.take(waiting.batch, now);
        }
    }

    fn pass_on_all(&mut self, now: Timestamp) {
        self.pass_on(now, |_| true);
    }
}

/// The last moment of a batch, whichever way the clock was set meanwhile.
fn is_due(waiting: &WaitingBatch, now: Timestamp) -> bool {
    waiting.awaited.is_empty() || now.distance(waiting.since) >= PATIENCE
}

/// Adds what was found to the events of its incident. Returns whether there is one.
fn add(enriched: &Enriched, events: &mut [Event]) -> bool {
    let mut is_said = false;
    for event in events {
        if let Event::Incident(event) = event
            && event.incident.id == enriched.incident
        {
            let _ = enriched.apply(&mut event.incident);
            is_said = true;
        }
    }
    is_said
}

fn incident_of(event: &Event) -> Option<&IncidentEvent> {
    match event {
        Event::Incident(event) => Some(event),
        _ => None,
    }
}

impl<O: Output> Output for Enriching<O> {
    fn take(&mut self, batch: Batch, now: Timestamp) {
        let mut awaited = BTreeSet::new();
        for event in batch.events.iter().filter_map(incident_of) {
            if event.action == IncidentAction::Opened && self.completed.remove(&event.incident.id) {
                continue;
            }
            let asked = self.lookups.ask(Lookup::of(&event.incident));
            // What follows an incident that was opened says nothing that the core does not know by then.
            if asked && event.action == IncidentAction::Opened {
                awaited.insert(event.incident.id);
            }
        }
        self.completed.clear();
        self.waiting.push_back(WaitingBatch { batch, since: now, awaited });
        self.release(now);
    }

    fn prefetch(&mut self, pair: HostPair) {
        self.lookups.prefetch(pair);
    }

    fn complete(&mut self, events: &mut [Event]) -> Vec<Enriched> {
        let new =
            events.iter().filter_map(incident_of).filter(|event| event.action == IncidentAction::Opened);
        let known: Vec<_> = new.filter_map(|event| self.lookups.known(Lookup::of(&event.incident))).collect();
        for enriched in &known {
            self.completed.insert(enriched.incident);
            add(enriched, events);
        }
        known
    }

    fn enrich(&mut self, enriched: &Enriched, now: Timestamp) -> bool {
        let mut is_said = false;
        for waiting in &mut self.waiting {
            waiting.awaited.remove(&enriched.incident);
            is_said |= add(enriched, &mut waiting.batch.events);
        }
        self.release(now);
        is_said
    }

    fn release(&mut self, now: Timestamp) {
        self.pass_on(now, |waiting| is_due(waiting, now));
    }

    fn due(&self, now: Timestamp) -> Option<Duration> {
        self.waiting.front().map(|waiting| PATIENCE.saturating_sub(now.distance(waiting.since)))
    }

    fn settle(&mut self, patience: Duration) {
        self.pass_on_all(Timestamp::default());
        self.output.settle(patience);
    }

    fn saving(&mut self) -> Saving {
        self.pass_on_all(Timestamp::default());
        self.output.saving()
    }

    fn reopen(&self) {
        self.output.reopen();
    }

    fn change(&mut self, config: &Config) -> Vec<String> {
        self.lookups.set_names(&config.named_addresses);
        self.output.change(config)
    }

    fn interface(&mut self, index: u32, name: &str) {
        self.output.interface(index, name);
    }

    fn ring_committed(&self) -> u64 {
        self.output.ring_committed()
    }

    fn keeps_state(&self) -> bool {
        self.output.keeps_state()
    }

    fn status(&self) -> Vec<OutputStatus> {
        self.output.status()
    }

    fn counts(&self) -> OutputCounts {
        self.output.counts()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc, sync::mpsc::Receiver};

    use sensor_core::{
        enrichment::Enrichment,
        incident::{Incident, Party, fixtures},
    };

    use super::{super::worker::Question, *};

    /// What was passed on: each event with the hardware address of its internal host.
    type Passed = Rc<RefCell<Vec<(IncidentAction, Option<String>)>>>;

    struct Sink(Passed);

    impl Output for Sink {
        fn take(&mut self, batch: Batch, _: Timestamp) {
            let events = batch.events.iter().filter_map(incident_of);
            let shown = events.map(|event| (event.action, event.incident.internal.enrichment.mac.clone()));
            self.0.borrow_mut().extend(shown);
        }

        fn settle(&mut self, _: Duration) {}

        fn saving(&mut self) -> Saving {
            Box::new(|_| {})
        }

        fn interface(&mut self, _: u32, _: &str) {}

        fn keeps_state(&self) -> bool {
            true
        }

        fn counts(&self) -> OutputCounts {
            OutputCounts::default()
        }
    }

    fn stage(room: usize) -> (Enriching<Sink>, Receiver<Question>, Passed) {
        let (lookups, questions) = LookupSender::alone(room);
        let passed = Passed::default();
        (Enriching::new(Sink(Rc::clone(&passed)), lookups), questions, passed)
    }

    fn batch(action: IncidentAction, incident: &Incident) -> Batch {
        let event = IncidentEvent { action, sequence: 1, at: fixtures::START, incident: incident.clone() };
        Batch { events: vec![Event::Incident(Box::new(event))], ..Batch::default() }
    }

    fn known(incident: &Incident) -> Enriched {
        let internal = Enrichment { mac: Some("00-00-5E-00-53-01".into()), ..Enrichment::default() };
        Enriched { incident: incident.id, internal, ..Enriched::default() }
    }

    const MAC: &str = "00-00-5E-00-53-01";

    #[test]
    fn new_incident_waits_for_its_answer_and_keeps_its_place() {
        use IncidentAction::{Closed, Escalated, Opened};
        let (mut stage, questions, passed) = stage(8);
        let leak = fixtures::leak_accepted();
        let other = Incident { id: IncidentId(7), ..fixtures::sweep() };
        let at = fixtures::after;
        stage.take(batch(Opened, &leak), at(0));
        stage.take(batch(Escalated, &leak), at(10));
        stage.take(batch(Closed, &other), at(20));
        let asked = [&leak, &leak, &other].map(|one| Question::Incident(Lookup::of(one)));
        assert_eq!(questions.try_iter().collect::<Vec<_>>(), asked);
        assert!(passed.borrow().is_empty());
        assert_eq!(stage.due(at(50)), Some(Duration::from_millis(150)));
        assert!(stage.enrich(&known(&leak), at(60)), "it is said");
        let mac = Some(MAC.to_owned());
        assert_eq!(*passed.borrow(), [(Opened, mac.clone()), (Escalated, mac), (Closed, None)]);
        assert_eq!(stage.due(at(70)), None);
        assert!(!stage.enrich(&known(&leak), at(80)), "nothing waits for it any more");
    }

    #[test]
    fn nobody_waits_longer_than_the_patience_or_for_a_worker_without_room() {
        use IncidentAction::Opened;
        let (mut stage, _questions, passed) = stage(1);
        let leak = fixtures::leak_accepted();
        let at = fixtures::after;
        stage.take(batch(Opened, &leak), at(0));
        stage.release(at(199));
        assert!(passed.borrow().is_empty());
        stage.release(at(200));
        assert_eq!(passed.borrow().len(), 1);
        // The question of the first one is still there: there is no room for another.
        stage.take(batch(Opened, &leak), at(300));
        assert_eq!(passed.borrow().len(), 2);
    }

    #[test]
    fn clock_set_back_and_the_end_release_everything() {
        use IncidentAction::Opened;
        let (mut stage, _questions, passed) = stage(8);
        let leak = fixtures::leak_accepted();
        stage.take(batch(Opened, &leak), fixtures::after(0));
        stage.release(fixtures::after(-60_000));
        assert_eq!(passed.borrow().len(), 1);
        stage.take(batch(Opened, &leak), fixtures::after(0));
        stage.settle(Duration::ZERO);
        assert_eq!(passed.borrow().len(), 2);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut stage, _questions, passed) = stage(2 * MAX_WAITING);
        let leak = fixtures::leak_accepted();
        for _ in 0..=MAX_WAITING {
            stage.take(batch(IncidentAction::Opened, &leak), fixtures::after(0));
        }
        assert_eq!((stage.waiting.len(), passed.borrow().len()), (MAX_WAITING, 1));
    }

    /// Two addresses that an incident is between.
    fn pair(incident: &Incident) -> HostPair {
        (incident.internal.only_address().unwrap(), incident.external.only_address().unwrap())
    }

    #[test]
    fn new_incident_between_prefetched_hosts_does_not_wait() {
        use IncidentAction::{Escalated, Opened};
        let (mut stage, questions, passed) = stage(8);
        let leak = fixtures::leak_accepted();
        stage.prefetch(pair(&leak));
        assert_eq!(questions.try_iter().collect::<Vec<_>>(), [Question::Prefetch(pair(&leak))]);
        let facts = known(&leak);
        stage.lookups.prefetched().answer(
            pair(&leak),
            facts.internal.clone(),
            facts.external.clone(),
            leak.last,
        );
        stage.prefetch(pair(&leak));
        assert_eq!(questions.try_iter().count(), 0, "it is known");
        let mut both = batch(Opened, &leak);
        both.events.extend(batch(Escalated, &leak).events);
        assert_eq!(stage.complete(&mut both.events), [facts]);
        stage.take(both, fixtures::after(0));
        let mac = Some(MAC.to_owned());
        assert_eq!(*passed.borrow(), [(Opened, mac.clone()), (Escalated, mac)]);
        let later = [Question::Known(Lookup::of(&leak)), Question::Incident(Lookup::of(&leak))];
        assert_eq!(
            questions.try_iter().collect::<Vec<_>>(),
            later,
            "the first one remembers it for a file that changes"
        );
        // Of another pair nothing is known.
        let internal = Party { addresses: vec!["10.0.0.77".parse().unwrap()], ..leak.internal.clone() };
        let other = Incident { internal, ..leak };
        let mut unknown = batch(Opened, &other);
        assert_eq!(stage.complete(&mut unknown.events), []);
        stage.take(unknown, fixtures::after(10));
        assert_eq!(passed.borrow().len(), 2, "it waits");
    }
}
