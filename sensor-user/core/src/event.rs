//! What the core gives: typed events. Rendering them is the caller's.

use crate::{
    incident::{IncidentEvent, QuotaSummary},
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
}
