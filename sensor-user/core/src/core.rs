//! The core as one pure function: an input and the time in, events out.

mod asking;
mod assessment;
mod completed;
mod ending;
mod published;
mod state;

use std::{sync::Arc, time::Duration};

use sensor_common::slot::{RecordKind, Slot};
use sensor_dissect::FingerprintKey;

use self::{asking::Asked, completed::Completed, ending::SummaryLimit, published::rulebook};
pub use self::{
    completed::HostPair,
    state::{CoreCounts, StateChanges},
};
use crate::{
    address::{Direction, FiveTuple},
    event::{Event, FlowSummary},
    exempt::{Exemptions, Question},
    flow::{Change, FlowEntry, FlowTable, FlowTableOptions, StoredFlow},
    incident::{
        Enriched, IncidentId, Link, Recorded, Scope, StoredIncident, ThreatHit,
        book::{Book, Context},
        quota::Admission,
    },
    level::EvidenceLevel,
    process::ProcessLookup,
    profile::Rulebook,
    record::{self, DecodeError, Observation, Record},
    responses::Responses,
    rules,
    service::Service,
    settings::Settings,
    terms::{Clocks, KnownTerms, Step, Term, TermAnswer},
    time::{Moment, TickClock, Timestamp},
    view::FlowView,
};

/// What the core takes.
#[derive(Debug)]
pub enum Input<'a> {
    /// A record off the ring.
    Record(&'a [u8]),
    /// A slot that changed.
    Slot(&'a Slot),
    /// Time moved on. Comes once a second at least.
    Tick,
    /// The clocks of the machine, before anything else of that moment.
    Clocks(Clocks),
    /// Another configuration.
    Reconfigure(Box<Settings>),
    /// What was found about the hosts of an incident.
    Enriched {
        /// That.
        enriched: &'a Enriched,
        /// A document of the incident that is still to be written says it.
        is_said: bool,
    },
    /// The ring has lost so many records so far.
    RecordsLost(u64),
    /// What other sensors know of a destination.
    Term(TermAnswer),
    /// The end of the run while the kernel program continues to count: nothing is closed, and nothing leaves the table.
    Pause,
    /// The end of the run. With `kept`, open incidents and connections are stored and go on later; without, they are closed.
    End {
        /// Whether the state is kept.
        kept: bool,
    },
}

/// What the core begins with.
pub struct Start {
    /// Settings.
    pub settings: Settings,
    /// Length of the kernel's tick.
    pub clock: TickClock,
    /// Key of credential fingerprints, and of identifiers.
    pub fingerprint_key: FingerprintKey,
    /// Terms that are known.
    pub terms: KnownTerms,
    /// Incidents of an earlier run.
    pub incidents: Vec<StoredIncident>,
    /// Connections that were open when that ended.
    pub connections: Vec<StoredFlow<Link>>,
    /// When the kernel program began to see packets, if that was just now: a connection whose beginning it did not see right after
    /// that had begun before.
    pub started: Option<Timestamp>,
}

/// Everything that decides.
pub struct Core {
    settings: Settings,
    clock: TickClock,
    identity: [u8; 32],
    started: Option<Timestamp>,
    flows: FlowTable<Link>,
    lookup: Box<dyn ProcessLookup + Send>,
    terms: KnownTerms,
    asked: Asked,
    exemptions: Exemptions,
    rulebook: Option<Rulebook>,
    book: Book,
    responses: Responses,
    /// Connections that spoke and that the quota held back: they ask again when a window ends.
    held_back: Vec<FiveTuple>,
    lost_records: u64,
    undecodable: u64,
    first_undecodable: Option<DecodeError>,
    step: Option<Step>,
    exempted: u64,
    completed: Completed,
    summaries: SummaryLimit,
    changes: Vec<Change<Link>>,
}

/// The rule that asks for a new destination.
const RARE_DESTINATION: &str = rules::rare_destination::META.id;

/// The server of a connection, as the rule knows it.
fn destination(view: &FlowView<'_>) -> Term {
    Term { rule: RARE_DESTINATION, address: view.server.ip() }
}

/// Whether an internal server was sent WebDAV requests, as every web server is, and neither shows that it serves WebDAV nor was logged
/// on to.
fn is_any_web_server(view: &FlowView<'_>) -> bool {
    view.service == Service::WebDav
        && view.direction == Direction::Inbound
        && !view.serves_webdav()
        && !view.facts.is_some_and(|facts| facts.authentication_attempted())
}

/// Time after the start in which a connection that is first seen without its beginning is taken for one that had begun before.
const AT_START: Duration = Duration::from_secs(5);

/// Connections that are remembered while the quota holds them back.
const MAX_HELD_BACK: usize = 4_096;

impl Core {
    /// A core that begins with this.
    #[must_use]
    pub fn new(start: Start, lookup: Box<dyn ProcessLookup + Send>) -> Self {
        let Start { settings, clock, fingerprint_key, terms, incidents, connections, started } = start;
        let mut identity = [0; 32];
        identity[..16].copy_from_slice(&fingerprint_key.of(b"incident identifiers").0);
        let mut flows = FlowTable::new(FlowTableOptions {
            services: settings.watched.clone(),
            clock,
            attempt_settle: settings.attempt_settle,
            flow_idle: settings.flow_idle,
            capacity: settings.flow_capacity,
            fingerprint_key,
        });
        flows.restore(connections);
        let mut book = Book::new(settings.limits.incidents_per_window, settings.incident_idle);
        book.restore(incidents);
        let exemptions = Exemptions::new(settings.exemptions.clone());
        let rulebook = rulebook(&settings);
        Self {
            settings,
            clock,
            identity,
            started,
            flows,
            lookup,
            terms,
            asked: Asked::default(),
            exemptions,
            rulebook,
            book,
            responses: Responses::new(),
            held_back: Vec::new(),
            lost_records: 0,
            undecodable: 0,
            first_undecodable: None,
            step: None,
            exempted: 0,
            completed: Completed::default(),
            summaries: SummaryLimit::default(),
            changes: Vec::new(),
        }
    }

    /// Takes one input at a moment; adds what is to be written to `out`.
    pub fn step(&mut self, input: Input<'_>, now: Moment, out: &mut Vec<Event>) {
        match input {
            Input::Record(bytes) => match record::record(bytes) {
                Ok(Record::Flow(kind, seen)) => self.observe(Some(kind), &seen, now),
                Ok(Record::Replaced(settled, opened)) => {
                    self.observe(Some(RecordKind::Settled), &settled, now);
                    self.step(Input::Record(opened), now, out);
                }
                Ok(Record::Piece(piece)) => self.flows.payload(&piece, now, &mut self.changes),
                Err(error) => self.refuse(error),
            },
            Input::Slot(slot) => match record::observation(slot) {
                Ok(seen) => self.observe(None, &seen, now),
                Err(error) => self.refuse(error),
            },
            Input::Tick => {
                self.flows.advance(now.at, &mut self.changes);
                self.settle_changes(now.at, out);
                let mut written = Vec::new();
                let summaries = self.book.advance(now.at, &mut written);
                out.extend(written.into_iter().map(Event::from));
                self.end_windows(summaries, now.at, out);
                self.tend_shared_terms(now.at, out);
            }
            Input::Clocks(clocks) => self.step = self.terms.keep_time(clocks).or(self.step),
            Input::Reconfigure(settings) => self.reconfigure(*settings),
            Input::Enriched { enriched, is_said } => self.book.enrich(enriched, is_said),
            Input::RecordsLost(lost) => {
                self.lost_records = lost;
                self.flows.set_lost_records(lost);
            }
            Input::Term(answer) => self.take_answer(answer, now.at, out),
            Input::Pause => self.pause(now.at, out),
            Input::End { kept } => self.end(kept, now, out),
        }
        self.settle_changes(now.at, out);
    }

    /// The internal and the external host of connections that were completed since this was last asked and may become part of an
    /// incident; at most 16.
    pub fn take_completed(&mut self) -> Vec<HostPair> {
        self.completed.take()
    }

    fn observe(&mut self, kind: Option<RecordKind>, seen: &Observation, now: Moment) {
        self.flows.observe(kind, seen, now, &mut *self.lookup, &mut self.changes);
    }

    fn refuse(&mut self, error: DecodeError) {
        self.undecodable += 1;
        self.first_undecodable.get_or_insert(error);
    }

    fn reconfigure(&mut self, settings: Settings) {
        self.exemptions.replace(settings.exemptions.clone());
        self.rulebook = rulebook(&settings);
        self.settings = settings;
    }

    /// Takes what changed in the table through rules and incidents.
    fn settle_changes(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        while !self.changes.is_empty() {
            for change in std::mem::take(&mut self.changes) {
                match change {
                    Change::Updated(tuple) => self.change(&tuple, now, out),
                    Change::Closed(tuple) => {
                        self.change(&tuple, now, out);
                        self.summarise(&tuple, now, out);
                    }
                    Change::Removed(entry) => {
                        let mut link = entry.link;
                        if let Some(view) = entry.flow.view(&self.settings.watched, true) {
                            let snapshot = FlowSummary::of(&view, None, None);
                            let view = snapshot.view();
                            let again = self.consider(&view, &mut link, now, out);
                            out.extend(self.summary(&view, &link, now));
                            self.again(again, now, out);
                        }
                    }
                }
            }
        }
    }

    /// A connection of the table changed.
    fn change(&mut self, tuple: &FiveTuple, now: Timestamp, out: &mut Vec<Event>) {
        let again = self.with_entry(tuple, |core, view, link| core.consider(view, link, now, out));
        self.again(again.flatten(), now, out);
    }

    /// The connection in the other direction of a relay is looked at again, now that it is known to be one.
    fn again(&mut self, other: Option<FiveTuple>, now: Timestamp, out: &mut Vec<Event>) {
        if let Some(other) = other {
            self.with_entry(&other, |core, view, link| core.consider(view, link, now, out));
        }
    }

    /// Works on a connection of the table while the rest of the core may change.
    fn with_entry<T>(
        &mut self,
        tuple: &FiveTuple,
        work: impl FnOnce(&mut Self, &FlowView<'_>, &mut Link) -> T,
    ) -> Option<T> {
        let entry: &mut FlowEntry<Link> = self.flows.entry_mut(tuple)?;
        // A snapshot holds the shared parts by reference count: the entry itself must not be borrowed meanwhile.
        let snapshot = FlowSummary::of(&entry.view(&self.settings.watched)?, None, None);
        let mut link = std::mem::take(&mut entry.link);
        let result = work(self, &snapshot.view(), &mut link);
        if let Some(entry) = self.flows.entry_mut(tuple) {
            entry.link = link;
        }
        Some(result)
    }

    /// What a connection as it stands means. Gives the connection in the other direction, where this one shows that it was relayed.
    fn consider(
        &mut self,
        view: &FlowView<'_>,
        link: &mut Link,
        now: Timestamp,
        out: &mut Vec<Event>,
    ) -> Option<FiveTuple> {
        if !view.roles_known {
            return None;
        }
        if self.is_exempt(view, link, now) {
            return None;
        }
        if self.rulebook.is_some() {
            self.consider_published(view, link, now, out);
            return None;
        }
        if is_any_web_server(view) && link.incident.is_none() {
            return None;
        }
        self.book.note_target(view);
        let is_evident = match view.service {
            Service::WebDav => view.level >= EvidenceLevel::Connected,
            _ => view.level >= EvidenceLevel::Smb,
        };
        if !is_evident && !view.settled {
            if view.level >= EvidenceLevel::Connected && link.incident.is_none() {
                self.completed.note(view);
            }
            return None;
        }
        let relayed = self.responses.note(view);
        let context = Context {
            now,
            identity: &self.identity,
            lost_records: self.lost_records,
            learning_until: self.terms.learning_until(now),
            sweep_window: self.settings.limits.sweep.window,
        };
        let id = self.book.place(view, link, &context);
        let has_changed = self.merge(id, view, link, now);
        self.judge_destination(view, link, now, out);
        let relation = relayed.map(|(_, relayed)| relayed);
        let (assessment, found) = self.assess(id, view, relation, link.new_destination, now);
        if !found {
            self.book.drop_unannounced(id, link);
            return None;
        }
        let client = (view.client.ip(), &mut link.found);
        let mut written = Vec::new();
        let admission = self.book.assess(id, &assessment, has_changed, client, now, &mut written);
        out.extend(written.into_iter().map(Event::from));
        if admission == Some(Admission::HeldBack) {
            self.book.drop_unannounced(id, link);
            if view.level >= EvidenceLevel::Smb && !link.held_back && self.held_back.len() < MAX_HELD_BACK {
                self.held_back.push(view.tuple);
                link.waits = true;
            }
            link.held_back = true;
        } else {
            (link.held_back, link.waits) = (false, false);
            self.join(id, view, link, out);
        }
        self.learn(view, now);
        relayed.map(|(other, _)| other).filter(|_| has_changed)
    }

    /// Says that a connection belongs to its incident, and that it is over, for a recording. One that is over when it is first judged
    /// is said to have been both.
    fn join(&self, id: IncidentId, view: &FlowView<'_>, link: &mut Link, out: &mut Vec<Event>) {
        if !self.settings.recording {
            return;
        }
        let goes_on = link.recorded == Recorded::Left && !view.closed;
        if (link.recorded == Recorded::Nothing || goes_on)
            && let Some(incident) = self.book.incident(id)
        {
            out.push(Event::Joined { tuple: view.tuple, incident: id, rule: incident.rule.clone() });
            link.recorded = Recorded::Joined;
        }
        if view.closed && link.recorded == Recorded::Joined {
            out.push(Event::Left { tuple: view.tuple });
            link.recorded = Recorded::Left;
        }
    }

    fn is_exempt(&mut self, view: &FlowView<'_>, link: &mut Link, now: Timestamp) -> bool {
        let question = Question::of(view);
        if link.exempt {
            return self.exemptions.covering(&question, now).is_some();
        }
        // Counted once, and only where an incident is not there already.
        if link.incident.is_some() {
            return false;
        }
        link.exempt = self.exemptions.count(&question, now);
        self.exempted += u64::from(link.exempt);
        link.exempt
    }

    fn merge(&mut self, id: IncidentId, view: &FlowView<'_>, link: &mut Link, now: Timestamp) -> bool {
        let threats = Arc::clone(&self.settings.threats);
        let limits = self.settings.limits.volume;
        let Some(stored) = self.book.stored_mut(id) else { return false };
        if view.joined_late && !stored.incident.joined_late {
            // With records or a direction missing, it may have begun later.
            let is_certain = self.lost_records == 0 && !view.one_sided;
            let began_before = |started: &Timestamp| is_certain && view.first.distance(*started) < AT_START;
            stored.incident.joined_at_start = self.started.filter(began_before);
        }
        let mut has_changed = stored.incident.merge(view, link);
        if matches!(stored.incident.scope, Scope::Client) {
            let target = view.server.ip();
            has_changed |= stored.count_target(target, view.level) && stored.targets.len() == 1;
        } else if matches!(stored.incident.scope, Scope::Exposure) {
            stored.count_target(view.client.ip(), view.level);
        }
        let incident = &mut stored.incident;
        let left = match view.service {
            Service::Smb if view.level >= EvidenceLevel::Session => view.bytes_left(),
            Service::SmbOverQuic => view.bytes_left(),
            _ => 0,
        };
        if left > link.left {
            incident.excess_volume =
                incident.volume.add(left - link.left, now, &limits).or(incident.excess_volume);
            link.left = left;
        }
        incident.lost_records = incident.lost_records.max(self.lost_records.saturating_sub(view.lost_before));
        if view.threat && incident.threats.is_empty() {
            incident.threats = threats
                .of(view.external())
                .into_iter()
                .map(|hit| ThreatHit {
                    list: hit.list.to_owned(),
                    prefix: hit.entry.net.to_string(),
                    line: hit.entry.line,
                    description: hit.entry.description.as_deref().map(str::to_owned),
                })
                .collect();
            has_changed |= !incident.threats.is_empty();
        }
        has_changed | self.name_host(id)
    }

    /// Notes what the inventory says of the internal host; returns whether that is new.
    fn name_host(&mut self, id: IncidentId) -> bool {
        let Some(stored) = self.book.stored_mut(id) else { return false };
        let internal = &mut stored.incident.internal;
        let asset = internal.only_address().and_then(|address| self.settings.assets.of(address));
        if internal.asset.as_ref() == asset {
            return false;
        }
        internal.asset = asset.cloned();
        true
    }

    /// Only a connection that was completed makes its server known.
    fn learn(&mut self, view: &FlowView<'_>, now: Timestamp) {
        // One that others are being asked about becomes known with their answer.
        if asking::makes_known(view) && !self.asked.claim(view.server.ip()) {
            self.terms.learn(destination(view), now);
        }
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
