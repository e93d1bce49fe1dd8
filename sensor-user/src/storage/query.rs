//! Queries for documents and incidents.

use sensor_core::level::Severity;

use super::{DocumentKind, DocumentRow};

/// Which documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentQuery {
    /// Those behind this place.
    pub after: u64,
    /// Of this kind; `None` is any.
    pub kind: Option<DocumentKind>,
    /// Of this severity or worse; `None` is any. Summaries of connections have none and are not left out.
    pub min_severity: Option<Severity>,
    /// Of this incident.
    pub incident: Option<String>,
    /// Written at or after this time, nanoseconds since the Unix epoch.
    pub since: Option<i64>,
    /// Written before this time.
    pub until: Option<i64>,
    /// At most so many; 0 is all.
    pub limit: u64,
}

impl DocumentQuery {
    /// Whether it asks for nothing but a place, a kind and a severity.
    pub(super) const fn is_of_row(&self) -> bool {
        self.incident.is_none() && self.since.is_none() && self.until.is_none()
    }

    /// Whether this document has that place, kind and severity.
    pub(super) fn finds(&self, one: &DocumentRow) -> bool {
        one.sequence > self.after
            && self.kind.is_none_or(|kind| kind == one.kind)
            && (one.kind == DocumentKind::Flow || one.severity >= self.min_severity)
    }
}

/// How a list of incidents is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncidentOrder {
    /// The worst first, and of these the latest.
    #[default]
    Severity,
    /// The latest first.
    Time,
}

/// Which identifiers of incidents, and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdentifierQuery {
    /// Of this severity or worse; `None` is any.
    pub min_severity: Option<Severity>,
    /// Open or closed ones alone; `None` is both.
    pub open: Option<bool>,
    /// Order.
    pub order: IncidentOrder,
}

/// Which incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Of this severity or worse; `None` is any.
    pub min_severity: Option<Severity>,
    /// Open ones alone.
    pub open: bool,
    /// Active at or after this time, nanoseconds since the Unix epoch.
    pub since: Option<i64>,
}
