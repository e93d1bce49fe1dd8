//! Runs the core: passes inputs with their time to the core, and its events to an [`Output`].
//!
//! Takes records and slots as bytes, gives batches of events and changed state to an [`Output`]. Reads no clock.

mod following;
mod output;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use sensor_common::{counter::Counter, slot::Slot};
use sensor_core::{
    Core, Input,
    address::FiveTuple,
    event::Event,
    exempt::{Exemptions, Hit},
    incident::{Enriched, IncidentId, IncidentTally, Scope, message},
    level::Severity,
    terms::{Clocks, TermAnswer},
    time::{Moment, Timestamp},
};
use tracing::warn;

pub use self::{
    following::Following,
    output::{Batch, Output, Saving},
};
use crate::{
    config::Config,
    kernel::{counters::CounterValues, interface::Interface},
    record::Recording,
    response::{Entry, StoredBlocks, exec::ExecRun},
    rfc3339::rfc3339,
    shared_terms::Asking,
    sinks::OutputStatus,
    statistics::{OutputCounts, Statistics},
};

/// Time between two savings of open connections.
const SAVE_CONNECTIONS: Duration = Duration::from_secs(5);

/// The same without connections: only the clock is saved.
const SAVE_IDLE: Duration = Duration::from_secs(60);

/// Time for the output to take the last events at the end.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// The core and its surroundings.
pub struct Pipeline {
    core: Core,
    events: Vec<Event>,
    output: Box<dyn Output>,
    recording: Option<Recording>,
    fleet: Option<Asking>,
    following: Option<Following>,
    lost_records: u64,
    /// When the ring last lost records.
    last_lost_record: Option<Timestamp>,
    saved_at: Option<Timestamp>,
    /// There were no connections at the last saving.
    saved_idle: bool,
    saved_hits: BTreeMap<String, Hit>,
    /// Incidents that became critical since this was last asked.
    critical: Vec<CriticalIncident>,
}

/// Most critical incidents that wait for a response.
const MAX_CRITICAL: usize = 64;

/// An incident between two hosts that opened as critical, or became critical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriticalIncident {
    /// Identifier.
    pub id: IncidentId,
    /// Addresses of the internal host.
    pub internal: Vec<IpAddr>,
    /// Addresses of the external host.
    pub external: Vec<IpAddr>,
    /// What happened.
    pub message: String,
}

impl Pipeline {
    /// A core whose events go to `output`.
    #[must_use]
    pub fn new(core: Core, output: impl Output + 'static) -> Self {
        Self {
            core,
            events: Vec::new(),
            output: Box::new(output),
            recording: None,
            fleet: None,
            following: None,
            lost_records: 0,
            last_lost_record: None,
            saved_at: None,
            saved_idle: false,
            saved_hits: BTreeMap::new(),
            critical: Vec::new(),
        }
    }

    /// Records the packets of connections in incidents.
    #[must_use]
    pub fn with_recording(self, recording: Option<Recording>) -> Self {
        Self { recording, ..self }
    }

    /// Asks other sensors about new destinations, if that is configured.
    #[must_use]
    pub fn with_fleet(self, asking: Asking) -> Self {
        Self { fleet: Some(asking), ..self }
    }

    /// Takes the answer of other sensors.
    pub fn answer(&mut self, answer: TermAnswer, now: Moment) {
        self.core.step(Input::Term(answer), now, &mut self.events);
    }

    /// Continues the hits of exemptions.
    pub fn restore_hits(&mut self, hits: BTreeMap<String, Hit>) {
        self.core.exemptions().restore(&hits);
        self.saved_hits = hits;
    }

    /// Takes a record from the ring.
    pub fn record(&mut self, bytes: &[u8], now: Moment) {
        self.core.step(Input::Record(bytes), now, &mut self.events);
        self.note_undecodable();
    }

    /// Takes a changed slot.
    pub fn slot(&mut self, slot: &Slot, now: Moment) {
        self.core.step(Input::Slot(slot), now, &mut self.events);
        self.note_undecodable();
    }

    /// Advances the time.
    pub fn advance(&mut self, now: Moment) {
        self.core.step(Input::Tick, now, &mut self.events);
    }

    /// Takes a reading of the clocks, before any decision at that moment.
    pub fn keep_time(&mut self, clocks: Clocks, now: Moment) {
        self.core.step(Input::Clocks(clocks), now, &mut self.events);
        let Some(step) = self.core.take_clock_step() else { return };
        let learning = match self.core.terms().learning_until(now.at) {
            Some(until) => format!(", and learning continues until {}", rfc3339(until)),
            None => String::new(),
        };
        warn!(
            "the wall clock was set from {} to {}: known destinations are no older for it{learning}",
            rfc3339(step.from),
            rfc3339(step.to)
        );
    }

    /// Writes the events so far, together with the changed state.
    pub fn write(&mut self, now: Moment) {
        for pair in self.core.take_completed() {
            self.output.prefetch(pair);
        }
        self.pass_on();
        self.note_critical();
        let every = if self.saved_idle && self.is_idle() { SAVE_IDLE } else { SAVE_CONNECTIONS };
        let due = self.saved_at.is_none_or(|at| now.at.distance(at) >= every);
        let changed = self.core.changed_connections();
        let follows = self.following.as_ref().is_some_and(|following| following.is_due(changed, now.at));
        let all = self.following.as_ref().is_some_and(|following| following.is_to_save_all(changed, now.at));
        if self.events.is_empty() && !due && !follows {
            return;
        }
        for enriched in &self.output.complete(&mut self.events) {
            self.core.step(Input::Enriched { enriched, is_said: true }, now, &mut self.events);
        }
        let mut batch = Batch {
            events: std::mem::take(&mut self.events),
            changes: self.core.take_changes(now.at),
            ..Batch::default()
        };
        if due || all {
            self.save(&mut batch, all, now.at);
        }
        self.follow(&mut batch, now.at);
        self.output.take(batch, now.at);
    }

    /// The end of the run: writes everything that is left.
    pub fn finish(&mut self, now: Moment) {
        let kept = self.output.keeps_state();
        self.core.step(Input::End { kept }, now, &mut self.events);
        self.pass_on();
        let mut batch = Batch {
            events: std::mem::take(&mut self.events),
            changes: self.core.take_changes(now.at),
            ..Batch::default()
        };
        self.save(&mut batch, false, now.at);
        self.output.take(batch, now.at);
        self.output.settle(LAST_WRITES);
    }

    /// Applies networks, exemptions, threat lists and outputs of another configuration; earlier decisions stay. Returns the names of
    /// changed outputs.
    pub fn reconfigure(&mut self, config: &Config, now: Moment) -> Vec<String> {
        let settings = Box::new(config.core_settings());
        self.core.step(Input::Reconfigure(settings), now, &mut self.events);
        self.output.change(config)
    }

    /// Takes what was found about the hosts of an incident.
    pub fn enrich(&mut self, enriched: &Enriched, now: Moment) {
        let is_said = self.output.enrich(enriched, now.at);
        self.core.step(Input::Enriched { enriched, is_said }, now, &mut self.events);
    }

    /// Passes on what has waited long enough for that.
    pub fn release(&mut self, now: Moment) {
        self.output.release(now.at);
    }

    /// How long something waits for that at most; `None` if nothing does.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<Duration> {
        self.output.due(now)
    }

    /// Takes the numbers of records that were lost so far.
    pub fn set_lost_records(&mut self, counters: &CounterValues, now: Moment) {
        let all = counters.sum(Counter::LOST_RECORDS);
        let lost = all - counters.get(Counter::LostLeftOut);
        if lost > self.lost_records {
            self.last_lost_record = Some(now.at);
            warn!(
                "the ring to the agent was full: {} records lost. The sweep finds the changes that are still in the flow slots; raise \
                 kernel.ring_bytes and kernel.flow_slots",
                lost - self.lost_records
            );
        }
        self.lost_records = lost;
        self.core.step(Input::RecordsLost(all), now, &mut self.events);
    }

    /// When the ring last lost records.
    #[must_use]
    pub const fn last_lost_record(&self) -> Option<Timestamp> {
        self.last_lost_record
    }

    /// Has the output open files again that were renamed or removed.
    pub fn reopen_output(&self) {
        self.output.reopen();
    }

    /// The exemptions, with their hits.
    pub const fn exemptions(&mut self) -> &mut Exemptions {
        self.core.exemptions()
    }

    /// The marked ports whose marks have expired.
    pub fn expired_ports(&mut self, marked: &[u16], now: Moment) -> Vec<u16> {
        self.core.flows_mut().expired_ports(marked, now.at)
    }

    /// The flows of QUIC that the kernel program is to count, if they changed since this was last asked.
    pub fn take_counted_quic(&mut self) -> Option<Vec<FiveTuple>> {
        self.core.flows_mut().take_counted_quic()
    }

    /// Open connections.
    #[must_use]
    pub fn open_flows(&self) -> usize {
        self.core.flows().len()
    }

    /// Counts of documents.
    #[must_use]
    pub fn output_counts(&self) -> OutputCounts {
        self.output.counts()
    }

    /// The state of each output.
    #[must_use]
    pub fn output_status(&self) -> Vec<OutputStatus> {
        self.output.status()
    }

    /// Whether a connection waits for a timeout: then time must advance.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.core.flows().is_empty() && self.core.counts().incidents_open == 0
    }

    /// The numbers.
    #[must_use]
    pub fn statistics(&self, kernel: CounterValues) -> Statistics {
        let flows = self.core.flows();
        Statistics {
            kernel,
            flow_packets: flows.accounted_packets(),
            evicted_connections: flows.evicted(),
            untracked: flows.untracked(),
            unread: flows.unread(),
            quic: flows.quic_counts(),
            core: self.core.counts(),
            output: self.output.counts(),
            unrecorded: self.recording.as_ref().map_or((0, 0), Recording::refused),
        }
    }

    /// Incidents in memory, by severity, state and evidence.
    #[must_use]
    pub fn incident_tally(&self) -> IncidentTally {
        self.core.incident_tally()
    }

    /// Findings so far, by rule.
    #[must_use]
    pub const fn findings(&self) -> &BTreeMap<&'static str, u64> {
        self.core.findings()
    }

    /// Until when destinations are learnt, if they still are.
    #[must_use]
    pub fn learning_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.core.terms().learning_until(now)
    }

    /// Saves the hits of exemptions.
    pub fn save_hits(&mut self, now: Moment) {
        let mut batch = Batch::default();
        self.save(&mut batch, false, now.at);
        self.output.take(batch, now.at);
    }

    /// Saves the blocks in force.
    pub fn save_blocks(&mut self, blocks: StoredBlocks, now: Moment) {
        self.output.take(Batch { blocks: Some(blocks), ..Batch::default() }, now.at);
    }

    /// Writes an entry of the journal of responses.
    pub fn journal(&mut self, entry: Entry, now: Moment) {
        self.output.take(Batch { responses: vec![entry], ..Batch::default() }, now.at);
    }

    /// Writes that the configured program was run.
    pub fn journal_run(&mut self, run: ExecRun, now: Moment) {
        self.output.take(Batch { runs: vec![(now.at, run)], ..Batch::default() }, now.at);
    }

    /// Gives what waits until everything is saved that was to be saved so far.
    pub fn saving(&mut self) -> Saving {
        self.output.saving()
    }

    /// Adds what is saved from time to time; with `all` every connection, also where those that change are saved by themselves.
    fn save(&mut self, batch: &mut Batch, all: bool, now: Timestamp) {
        self.saved_at = Some(now);
        self.saved_idle = self.is_idle();
        if !self.output.keeps_state() {
            return;
        }
        let of_all = self
            .following
            .as_ref()
            .is_some_and(|following| following.takes_all(self.core.flows().entries().count()));
        if all || !self.following.as_ref().is_some_and(Following::is_complete) {
            batch.connections = Some(self.core.connections(of_all).collect());
        }
        let hits = self.core.exemptions().hits();
        if *hits != self.saved_hits {
            self.saved_hits.clone_from(hits);
            batch.hits = Some(hits.clone());
        }
    }

    /// An interface is watched from now on.
    pub fn interface(&mut self, interface: &Interface) {
        self.output.interface(interface.index, &interface.name);
        if let Some(recording) = &mut self.recording {
            recording.interface(interface);
        }
    }

    /// An interface has another name now.
    pub fn interface_renamed(&mut self, index: u32, name: &str) {
        self.output.interface(index, name);
    }

    /// The incidents that became critical since the last call. Of more than 64, the first.
    pub fn take_critical(&mut self) -> Vec<CriticalIncident> {
        std::mem::take(&mut self.critical)
    }

    fn note_critical(&mut self) {
        for event in &self.events {
            if let Event::Incident(event) = event
                && event.action.is_alert()
                && event.incident.severity == Severity::Critical
                && event.incident.scope == Scope::Pair
                && self.critical.len() < MAX_CRITICAL
            {
                let incident = &event.incident;
                self.critical.push(CriticalIncident {
                    id: incident.id,
                    internal: incident.internal.addresses.clone(),
                    external: incident.external.addresses.clone(),
                    message: message::summary(incident),
                });
            }
        }
    }

    /// Passes on events that are not written.
    fn pass_on(&self) {
        for event in &self.events {
            match (event, &self.recording, &self.fleet) {
                (Event::Joined { tuple, incident, rule }, Some(recording), _) => {
                    recording.joined(tuple, *incident, rule);
                }
                (Event::Left { tuple }, Some(recording), _) => recording.left(tuple),
                (Event::Term(request), _, Some(fleet)) => fleet.ask(*request),
                _ => {}
            }
        }
    }

    fn note_undecodable(&mut self) {
        if let Some(error) = self.core.take_undecodable() {
            warn!("the kernel program does not match this agent: {error}");
        }
    }
}
