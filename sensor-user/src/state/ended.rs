//! A connection that ended, in short form for lists.

use std::net::SocketAddr;

use sensor_core::{
    event::FlowSummary, incident::IncidentId, level::EvidenceLevel, service::Service, time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// A connection that ended, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedFlow {
    /// Its last packet.
    pub last: Timestamp,
    /// The client; if the roles are unknown, the sender of the first packet.
    pub client: SocketAddr,
    /// The server.
    pub server: SocketAddr,
    /// The service of the server's port.
    pub service: Service,
    /// How far the client got; `None` if it is not known which side is the client.
    pub level: Option<EvidenceLevel>,
    /// Payload that left the internal networks, bytes.
    pub bytes_left: u64,
    /// Payload that came into the internal networks, bytes.
    pub bytes_came: u64,
    /// The incident that it belongs to.
    pub incident: Option<IncidentId>,
    /// An exemption covered it.
    pub exempt: bool,
}

impl EndedFlow {
    pub(super) fn of(summary: &FlowSummary) -> Self {
        let view = summary.view();
        Self {
            last: view.last,
            client: view.client,
            server: view.server,
            service: view.service,
            level: view.roles_known.then_some(view.level),
            bytes_left: view.bytes_left(),
            bytes_came: view.bytes_came(),
            incident: summary.incident,
            exempt: summary.exemption.is_some(),
        }
    }
}
