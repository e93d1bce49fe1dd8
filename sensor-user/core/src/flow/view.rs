//! A flow as rules, incidents and documents see it.

use sensor_common::slot::mark;

use super::state::Flow;
use crate::{
    address::Direction,
    level::EvidenceLevel,
    service::{Service, ServicePorts},
    view::{FlowView, OtherProtocol},
};
use sensor_common::slot::Side;

impl Flow {
    /// Its view. `None` if its port is unwatched, and neither SMB nor WebDAV was recognised: the sensor does not watch it.
    #[must_use]
    pub fn view(&self, services: &ServicePorts, closed: bool) -> Option<FlowView<'_>> {
        let (client, server) = (self.tuple.end(self.client()), self.tuple.end(self.server()));
        let of = |port| services.service(self.tuple.transport, port);
        let mut service = of(server.port());
        if !self.roles_known {
            service = service.or_else(|| of(client.port()));
        }
        if self.quic.is_some() {
            service = Some(Service::SmbOverQuic);
        }
        let usual_port = service.is_some();
        // No SYN of such a connection was seen. What a web server sends may look like a request, but not from a client's port.
        let is_webdav = self.is_webdav() && client.port() > server.port();
        let by_messages = match self.smb_exchanged() {
            true => Some(Service::Smb),
            false => is_webdav.then_some(Service::WebDav),
        };
        let service = service.or(by_messages)?;
        let counts = self.counts();
        let one_sided = counts.packets.contains(&0);
        Some(FlowView {
            tuple: self.tuple,
            direction: match self.client() {
                Side::Local => Direction::Outbound,
                Side::Remote => Direction::Inbound,
            },
            service,
            usual_port,
            client,
            server,
            roles_known: self.roles_known,
            level: self.level,
            first: self.first,
            last: self.last,
            settled: self.settled || closed,
            closed,
            smb_spoken: self.smb_spoken(),
            encrypted: self.encrypted(),
            joined_late: self.joined_late(),
            conflicting: self.conflicting,
            one_sided: one_sided && self.level >= EvidenceLevel::Connected,
            complete: self.complete(),
            content: self.content,
            other_protocol: self.other_protocol(),
            tls_server: self.tls_server.as_ref().filter(|_| !self.smb_spoken()),
            threat: self.marks & mark::THREAT != 0,
            dropped: self.marks & mark::DROPPED != 0,
            counts,
            facts: self.facts.as_ref(),
            datagrams: self.datagrams.as_ref(),
            quic: self.quic.as_ref(),
            process: self.process.as_ref(),
            vlan: self.vlan,
            ifindex: self.busiest_interface(),
            marks: self.marks,
            lost_before: self.lost_before,
        })
    }

    /// Another protocol, if the first bytes show it.
    fn other_protocol(&self) -> Option<OtherProtocol> {
        self.other_protocol.filter(|_| !self.smb_spoken())
    }
}
