//! Queries for documents and incidents.

use sensor_core::level::Severity;

use super::DocumentKind;

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
