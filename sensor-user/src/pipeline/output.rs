//! The destination of the core's events, and the batches that it takes.

use std::{collections::BTreeMap, time::Duration};

use sensor_core::{
    HostPair, StateChanges,
    event::Event,
    exempt::Hit,
    flow::{ChangedFlow, StoredFlow},
    incident::{Enriched, Link},
    time::Timestamp,
};

use crate::{
    config::Config,
    response::{Entry, StoredBlocks, exec::ExecRun},
    sinks::OutputStatus,
    statistics::OutputCounts,
    storage::RingPlace,
};

/// Events and state to store together.
#[derive(Default)]
pub struct Batch {
    /// Events, in order.
    pub events: Vec<Event>,
    /// Changed state.
    pub changes: StateChanges,
    /// Open connections, when they are due to be saved: they replace those that were saved before.
    pub connections: Option<Vec<StoredFlow<Link>>>,
    /// Connections that changed, where they are saved one by one.
    pub changed_connections: Vec<ChangedFlow<Link>>,
    /// How much of the ring this contains.
    pub ring: Option<RingPlace>,
    /// Hits of exemptions, likewise.
    pub hits: Option<BTreeMap<String, Hit>>,
    /// Blocks in force, if they changed.
    pub blocks: Option<StoredBlocks>,
    /// What was done.
    pub responses: Vec<Entry>,
    /// Runs of the configured program, with when each was over.
    pub runs: Vec<(Timestamp, ExecRun)>,
}

/// Waits for the store, for so long at most.
pub type Saving = Box<dyn FnOnce(Duration) + Send>;

/// Destination of events.
pub trait Output {
    /// Takes a batch. Never waits.
    fn take(&mut self, batch: Batch, now: Timestamp);

    /// A connection between an internal host and an external one may become part of an incident.
    fn prefetch(&mut self, _pair: HostPair) {}

    /// Adds what is known about the hosts of new incidents to their events, which are taken next. Returns what was added.
    fn complete(&mut self, _events: &mut [Event]) -> Vec<Enriched> {
        vec![]
    }

    /// Adds what was found about the hosts of an incident to its events that wait here. Returns whether there was one.
    fn enrich(&mut self, _enriched: &Enriched, _now: Timestamp) -> bool {
        false
    }

    /// Passes on what has waited long enough. Never waits.
    fn release(&mut self, _now: Timestamp) {}

    /// How long the first of what waits here waits at most; `None` if nothing does.
    fn due(&self, _now: Timestamp) -> Option<Duration> {
        None
    }

    /// Waits until everything is written, at most for this time.
    fn settle(&mut self, patience: Duration);

    /// Returns a function that waits until the store has everything so far; to be called on another thread.
    fn saving(&mut self) -> Saving;

    /// Opens files again that were renamed or removed. Never waits.
    fn reopen(&self) {}

    /// Goes on with other outputs. Never waits. Returns the names of those that changed.
    fn change(&mut self, _config: &Config) -> Vec<String> {
        vec![]
    }

    /// Documents name the interface with this index from now on.
    fn interface(&mut self, index: u32, name: &str);

    /// How much of the ring is stored durably, of what batches said about it.
    fn ring_committed(&self) -> u64 {
        0
    }

    /// Whether state is kept, so that incidents and connections continue after the end of the run.
    fn keeps_state(&self) -> bool;

    /// Counts of documents.
    fn counts(&self) -> OutputCounts;

    /// The state of each output of the agent.
    fn status(&self) -> Vec<OutputStatus> {
        vec![]
    }
}
