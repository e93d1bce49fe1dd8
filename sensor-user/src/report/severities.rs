//! Numbers of incidents by severity.

use sensor_core::level::Severity;
use serde::Serialize;

/// Numbers of incidents by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Severities {
    pub(crate) critical: u64,
    pub(crate) high: u64,
    pub(crate) medium: u64,
    pub(crate) low: u64,
}

impl Severities {
    /// Counts one more.
    pub(crate) const fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low => self.low += 1,
        }
    }

    /// The numbers with their names, the worst severity first.
    pub(crate) const fn named(&self) -> [(&'static str, u64); 4] {
        [("critical", self.critical), ("high", self.high), ("medium", self.medium), ("low", self.low)]
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.named().iter().map(|(_, count)| count).sum()
    }
}
