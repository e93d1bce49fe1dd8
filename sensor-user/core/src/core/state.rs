//! The state of the core for its callers: counts, changes to store, and its tables.

use std::collections::BTreeMap;

use super::Core;
use crate::{
    exempt::Exemptions,
    flow::{ChangedFlow, FlowTable, StoredFlow},
    incident::{IncidentTally, Link, StoredIncident},
    level::Severity,
    record::DecodeError,
    terms::{KnownTerms, Step, TermChanges},
    time::{TickClock, Timestamp},
};

/// What is to be stored of the core's state.
#[derive(Debug, Default)]
pub struct StateChanges {
    /// Incidents that changed.
    pub incidents: Vec<StoredIncident>,
    /// Known terms.
    pub terms: TermChanges,
}

/// Counts of the core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreCounts {
    /// Records that this agent cannot read.
    pub undecodable: u64,
    /// Connections followed now.
    pub connections: usize,
    /// Incidents open now.
    pub incidents_open: usize,
    /// The same by severity: low, medium, high, critical.
    pub incidents_open_by_severity: [usize; 4],
    /// Incidents opened so far: low, medium, high, critical.
    pub incidents_opened: [u64; 4],
    /// Incidents that the quota held back.
    pub held_back: u64,
    /// Incidents that were forgotten before seven days had passed, for others.
    pub forgotten_early: u64,
    /// Connections that an exemption covered.
    pub exempted: u64,
    /// New destinations about which no other sensor answered in time, or that were too many to ask about.
    pub decided_alone: u64,
    /// Connections that have no summary, since too many ended at once.
    pub summaries_left_out: u64,
}

impl Core {
    /// What is to be stored since this was last asked.
    pub fn take_changes(&mut self, now: Timestamp) -> StateChanges {
        StateChanges { incidents: self.book.take_changes(), terms: self.terms.take_changes(now) }
    }

    /// Connections to go on with after a restart: of incidents, or all.
    pub fn connections(&self, all: bool) -> impl Iterator<Item = StoredFlow<Link>> + '_ {
        self.flows.store(move |link| all || link.incident.is_some())
    }

    /// Notes from now on which connections change.
    pub fn follow_connections(&mut self) {
        self.flows.follow_changes();
    }

    /// How many connections changed since they were last taken.
    #[must_use]
    pub fn changed_connections(&self) -> usize {
        self.flows.changed()
    }

    /// Takes the connections that changed.
    pub fn take_changed_connections(&mut self) -> Vec<ChangedFlow<Link>> {
        self.flows.take_changed()
    }

    /// The step of the wall clock that came to light since this was last asked.
    pub const fn take_clock_step(&mut self) -> Option<Step> {
        self.step.take()
    }

    /// The first record that could not be read, once.
    pub const fn take_undecodable(&mut self) -> Option<DecodeError> {
        self.first_undecodable.take()
    }

    /// The exemptions, and what they have covered.
    pub const fn exemptions(&mut self) -> &mut Exemptions {
        &mut self.exemptions
    }

    /// The table of connections.
    #[must_use]
    pub const fn flows(&self) -> &FlowTable<Link> {
        &self.flows
    }

    /// The table of connections, for the ports that the kernel is to mark.
    pub const fn flows_mut(&mut self) -> &mut FlowTable<Link> {
        &mut self.flows
    }

    /// The known terms.
    #[must_use]
    pub const fn terms(&self) -> &KnownTerms {
        &self.terms
    }

    /// The length of the kernel's tick.
    #[must_use]
    pub const fn clock(&self) -> TickClock {
        self.clock
    }

    /// Incidents in memory, by severity, state and evidence.
    #[must_use]
    pub fn incident_tally(&self) -> IncidentTally {
        self.book.tally()
    }

    /// Findings of the incidents that were opened so far, by rule; each counts once for an incident.
    #[must_use]
    pub const fn findings(&self) -> &BTreeMap<&'static str, u64> {
        self.book.findings()
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> CoreCounts {
        let opened = self.book.opened();
        let open = self.book.open_by_severity();
        CoreCounts {
            undecodable: self.undecodable,
            connections: self.flows.len(),
            incidents_open: open.iter().sum(),
            incidents_open_by_severity: open,
            incidents_opened: Severity::ALL
                .map(|severity| opened.get(&severity).copied().unwrap_or_default()),
            held_back: self.book.held_back(),
            forgotten_early: self.book.forgotten_early(),
            exempted: self.exempted,
            decided_alone: self.asked.alone,
            summaries_left_out: self.summaries.left_out,
        }
    }
}
