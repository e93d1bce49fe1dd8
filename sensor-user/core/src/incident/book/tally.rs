//! How many incidents there are, by severity, state and evidence.

use crate::level::{EvidenceLevel, Severity};

use super::Book;

/// Incidents in memory: those that are open, and those that were closed in the last seven days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncidentTally {
    /// Open ones: low, medium, high, critical.
    pub open: [u64; Severity::ALL.len()],
    /// Closed ones, in the same order.
    pub closed: [u64; Severity::ALL.len()],
    /// Both, by evidence level, rising.
    pub evidence: [u64; EvidenceLevel::ALL.len()],
}

impl Book {
    /// Counts the incidents that were announced.
    pub(crate) fn tally(&self) -> IncidentTally {
        let mut tally = IncidentTally::default();
        for incident in self.incidents.values().filter(|one| one.is_announced()).map(|one| &one.incident) {
            let by_severity = if incident.closed.is_none() { &mut tally.open } else { &mut tally.closed };
            by_severity[incident.severity as usize] += 1;
            tally.evidence[incident.level as usize] += 1;
        }
        tally
    }
}
