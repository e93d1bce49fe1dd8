//! The output of the core: typed events. The caller renders them.

use std::sync::Arc;

use sensor_dissect::{Facts, facts::Datagrams, quic::ClientHello};

use crate::{
    address::FiveTuple,
    incident::{CampaignSummary, IncidentEvent, IncidentId, IncidentOutput, QuotaSummary},
    process::Process,
    terms::TermRequest,
    view::FlowView,
};

/// An event to write.
#[derive(Clone, Debug)]
pub enum Event {
    /// An incident was opened, changed or closed.
    Incident(Box<IncidentEvent>),
    /// New incidents of a rule were only counted.
    Quota(QuotaSummary),
    /// Incidents are connected, and concern several internal hosts.
    Campaign(Box<CampaignSummary>),
    /// A connection ended.
    Flow(Box<FlowSummary>),
    /// A connection belongs to an open incident: its packets are worth recording.
    Joined {
        /// The connection.
        tuple: FiveTuple,
        /// The incident.
        incident: IncidentId,
        /// Identifier of the leading rule.
        rule: String,
    },
    /// Such a connection ended.
    Left {
        /// The connection.
        tuple: FiveTuple,
    },
    /// A question to other sensors, or news for them.
    Term(TermRequest),
}

impl From<IncidentOutput> for Event {
    fn from(output: IncidentOutput) -> Self {
        match output {
            IncidentOutput::Event(event) => Self::Incident(event),
            IncidentOutput::Quota(summary) => Self::Quota(summary),
            IncidentOutput::Campaign(summary) => Self::Campaign(summary),
        }
    }
}

/// A connection that ended: the owned form of a [`FlowView`].
#[derive(Clone, Debug)]
pub struct FlowSummary {
    view: FlowView<'static>,
    facts: Option<Arc<Facts>>,
    datagrams: Option<Arc<Datagrams>>,
    quic: Option<Arc<ClientHello>>,
    tls_server: Option<Arc<str>>,
    process: Option<Arc<Process>>,
    /// The exemption that covered it.
    pub exemption: Option<String>,
    /// The incident that it belongs to.
    pub incident: Option<IncidentId>,
}

impl FlowSummary {
    /// Takes ownership of the parts.
    #[must_use]
    pub fn of(view: &FlowView<'_>, exemption: Option<String>, incident: Option<IncidentId>) -> Self {
        Self {
            facts: view.facts.cloned(),
            datagrams: view.datagrams.cloned(),
            quic: view.quic.cloned(),
            tls_server: view.tls_server.cloned(),
            process: view.process.cloned(),
            view: FlowView {
                facts: None,
                datagrams: None,
                quic: None,
                tls_server: None,
                process: None,
                ..*view
            },
            exemption,
            incident,
        }
    }

    /// The connection.
    #[must_use]
    pub fn view(&self) -> FlowView<'_> {
        FlowView {
            facts: self.facts.as_ref(),
            datagrams: self.datagrams.as_ref(),
            quic: self.quic.as_ref(),
            tls_server: self.tls_server.as_ref(),
            process: self.process.as_ref(),
            ..self.view
        }
    }
}
