//! What the core gives: typed events. Rendering them is the caller's.

use crate::{
    address::FiveTuple,
    incident::{IncidentEvent, IncidentId, QuotaSummary},
    view::FlowSummary,
};

/// Something that is written.
#[derive(Clone, Debug)]
pub enum Event {
    /// An incident was opened, changed or closed.
    Incident(Box<IncidentEvent>),
    /// New incidents of a rule were counted and not opened.
    Quota(QuotaSummary),
    /// A connection is over.
    Flow(Box<FlowSummary>),
    /// A connection belongs to an incident that was opened: its packets are worth recording.
    Joined {
        /// The connection.
        tuple: FiveTuple,
        /// The incident.
        incident: IncidentId,
        /// Identifier of the leading rule.
        rule: String,
    },
    /// Such a connection is over.
    Left {
        /// The connection.
        tuple: FiveTuple,
    },
}
