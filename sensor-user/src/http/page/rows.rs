//! Incidents as rows of a list.

use sensor_core::{incident::Incident, level::Severity};

use super::format::{number, party, second, summary};
use crate::rfc3339::rfc3339;

/// A row.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) is_open: bool,
    /// Last packet, and the same for machines.
    pub(super) last: (String, String),
    /// Address or number of addresses, and name.
    pub(super) internal: (String, String),
    pub(super) external: (String, String),
    pub(super) summary: String,
    pub(super) connections: String,
}

impl Row {
    pub(super) fn of(incident: &Incident) -> Self {
        Self {
            id: incident.id.to_string(),
            severity: incident.severity,
            is_open: incident.closed.is_none(),
            last: (second(incident.last), rfc3339(incident.last)),
            internal: party(&incident.internal),
            external: party(&incident.external),
            summary: summary(incident),
            connections: number(incident.counted.connections),
        }
    }
}
