//! Which end is the client, and whether that is known.
//!
//! The sender of the SYN is the client (RFC 9293 3.5). Without a SYN it is the sender of the first request, as messages show.
//! Over UDP it is the sender of the first packet, unless the response bit of the NetBIOS name service says otherwise
//! (RFC 1002 4.2.1.1). A stray SYN-ACK, ACK or RST shows nothing.

use std::sync::Arc;

use sensor_common::slot::{Side, TCP, mark, tcp};

use super::{evidence::DatagramContent, state::Flow, stream_reader::PresumedClient};
use crate::service::ServicePorts;

/// Ports below this belong to services (RFC 6335 6: system ports).
const FIRST_USER_PORT: u16 = 1024;

impl Flow {
    /// Derives the roles again; returns whether they changed.
    pub(super) fn update_roles(&mut self, services: &ServicePorts) -> bool {
        // The sender of a ClientHello is the client.
        if self.roles_restored || self.quic.is_some() {
            return false;
        }
        let (client, known) =
            if self.tuple.transport == TCP { self.tcp_roles() } else { self.udp_roles(services) };
        let changed = (client, known) != (self.client(), self.roles_known);
        if client != self.client() {
            self.set_client(client);
            if let Some(datagrams) = &mut self.datagrams {
                Arc::make_mut(datagrams).swap_roles();
            }
        }
        self.roles_known = known;
        changed
    }

    /// The side with the first packet.
    const fn first_sender(&self) -> Side {
        if self.marks & mark::FIRST_FROM_LOCAL != 0 { Side::Local } else { Side::Remote }
    }

    fn tcp_roles(&self) -> (Side, bool) {
        let first = self.first_sender();
        let by_messages = self.client_by_messages();
        if self.marks & mark::OPENED_BY_SYN != 0 {
            // A SYN without an answer to it begins nothing: the messages of the connection are better evidence.
            let client = by_messages.filter(|_| !self.syn_was_answered()).unwrap_or(first);
            return (client, true);
        }
        match by_messages {
            Some(client) => {
                (client, self.takes_part(client) && (client == Side::Local || self.takes_part(client.peer())))
            }
            None => (first, false),
        }
    }

    /// The client for those who read its messages.
    pub(super) const fn presumed_client(&self) -> PresumedClient {
        let certain =
            self.tuple.transport == TCP && self.marks & mark::OPENED_BY_SYN != 0 && self.syn_was_answered();
        PresumedClient { side: self.client(), certain }
    }

    const fn syn_was_answered(&self) -> bool {
        self.tcp_flags[self.first_sender().peer() as usize] & tcp::SYN != 0
    }

    /// Whether a side acknowledged something. Without that, anybody can send a response to nobody, or a request from outside to a
    /// host that knows nothing of it.
    const fn takes_part(&self, side: Side) -> bool {
        self.tcp_flags[side as usize] & tcp::ACK != 0
    }

    /// The client, as messages show it.
    fn client_by_messages(&self) -> Option<Side> {
        self.client_by_requests.or_else(|| self.client_by_marks()).or(self.client_by_headers)
    }

    /// By SMB headers that the kernel saw on a port that is not watched. Two CPUs that see a direction each within one tick do not
    /// show who was first.
    const fn client_by_marks(&self) -> Option<Side> {
        match self.marks & (mark::SERVER_IS_LOCAL | mark::SERVER_IS_REMOTE) {
            mark::SERVER_IS_LOCAL => Some(Side::Remote),
            mark::SERVER_IS_REMOTE => Some(Side::Local),
            _ => None,
        }
    }

    fn udp_roles(&self, services: &ServicePorts) -> (Side, bool) {
        let client = match self.responded {
            [true, false] => Side::Remote,
            [false, true] => Side::Local,
            _ => self.first_sender(),
        };
        let content = self.datagram_content[client as usize];
        let port = self.tuple.end(client).port();
        // A packet of a resolver from its port 53 is as likely an answer as a question.
        let may_be_answer = content != DatagramContent::Netbios
            && port < FIRST_USER_PORT
            && services.service(self.tuple.transport, port).is_none();
        let judged = content != DatagramContent::Unread || self.settled;
        let sent = self.counts().packets[client as usize] > 0;
        (client, sent && judged && !may_be_answer)
    }
}
