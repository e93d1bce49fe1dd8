//! Evidence from the messages of a flow.

use std::sync::Arc;

use sensor_common::slot::{Side, TCP, mark};
use sensor_dissect::{
    Facts, Sender, client_hello,
    facts::WebDavEvidence,
    first_payload::{self, Protocol},
};

use super::{
    evidence::{MessageSignals, Signals},
    state::Flow,
    stream_reader::StreamReader,
};
use crate::{level::EvidenceLevel, record::Piece, service::ServicePorts, view::OtherProtocol};

impl Flow {
    /// Takes over the facts of a reader; returns whether anything besides them changed. `new` says whether they changed.
    pub(super) fn learn(&mut self, reader: &StreamReader, new: bool, services: &ServicePorts) -> bool {
        if new {
            self.facts = Some(Arc::new(reader.facts().clone()));
        }
        let facts = reader.facts();
        self.negotiated |= reader.is_http()
            || facts.dialect.is_some()
            || !facts.client.dialects.is_empty()
            || !facts.client.smb1_dialects.is_empty();
        for (known, read) in self.messages_read.iter_mut().zip(reader.spoken()) {
            *known |= read;
        }
        self.smb_answered |= reader.is_answered();
        self.client_by_requests = self.client_by_requests.or(reader.client());
        self.incomplete |= reader.has_gaps();
        self.conflicting |= reader.has_conflicts();
        self.update(services)
    }

    /// Takes the first bytes that a side sent, which begin no message; says whether they show what is spoken.
    pub(super) fn read_first_payload(&mut self, piece: &Piece<'_>) -> bool {
        let sender = if piece.side == self.client() { Sender::Client } else { Sender::Server };
        let spoken = first_payload::protocol(sender, piece.bytes).map(|protocol| match protocol {
            Protocol::Http => OtherProtocol::Http,
            Protocol::Tls => OtherProtocol::Tls,
        });
        let mut new = self.other_protocol.is_none() && spoken.is_some();
        self.other_protocol = self.other_protocol.or(spoken);
        if self.tls_server.is_none() && sender == Sender::Client && spoken == Some(OtherProtocol::Tls) {
            self.tls_server = client_hello::server_name(piece.bytes).map(Arc::from);
            new |= self.tls_server.is_some();
        }
        new
    }

    /// WebDAV was seen, or a log-on over HTTP, and an answer in HTTP. A server outside may say that it serves WebDAV to whomever
    /// asks for options, and most who ask do not use it; an internal one is to be known.
    #[must_use]
    pub fn is_webdav(&self) -> bool {
        let shows = |evidence: WebDavEvidence| {
            evidence.answered && (evidence.any() || evidence.served && self.client() == Side::Remote)
        };
        self.facts.as_deref().is_some_and(|facts| shows(facts.webdav.evidence))
    }

    /// SMB messages were seen, of either side.
    #[must_use]
    pub fn smb_spoken(&self) -> bool {
        self.marks & (mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE) != 0
            || self.facts.as_deref().is_some_and(Facts::smb_spoken)
    }

    /// SMB messages were seen from both sides, and that of one fits as the answer to that of the other. Messages of one side alone,
    /// or requests of both, may be the content of another protocol.
    pub(super) fn smb_exchanged(&self) -> bool {
        let [local, remote] = self.messages_read;
        self.smb_spoken()
            && (local || self.marks & mark::SMB_FROM_LOCAL != 0)
            && (remote || self.marks & mark::SMB_FROM_REMOTE != 0)
            && (self.smb_answered || !self.headers_contradict())
    }

    /// Headers of messages on a port that is not watched name either side as the server. Encrypted and compressed messages hide what
    /// they are: there the ports decide, which may differ from other messages.
    const fn headers_contradict(&self) -> bool {
        const BOTH: u16 = mark::SERVER_IS_LOCAL | mark::SERVER_IS_REMOTE;
        self.marks & BOTH == BOTH && self.marks & (mark::ENCRYPTED | mark::COMPRESSED) == 0
    }

    /// Messages of SMB 3 were encrypted.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.marks & mark::ENCRYPTED != 0 || self.facts.as_deref().is_some_and(|facts| facts.encrypted)
    }

    /// The sensor joined late: it saw neither the SYN nor the negotiation.
    #[must_use]
    pub const fn joined_late(&self) -> bool {
        self.tuple.transport == TCP && self.marks & mark::OPENED_BY_SYN == 0 && !self.negotiated
    }

    /// Every message that the sensor wanted is known to have been read.
    #[must_use]
    pub const fn complete(&self) -> bool {
        self.each_cpu_followed() && !self.missed_between_cpus
    }

    /// Each CPU followed the stream that it saw.
    const fn each_cpu_followed(&self) -> bool {
        !self.incomplete && !self.records_lost && (self.joined_late() || !self.messages_missing())
    }

    /// A side speaks SMB, but not even its first message, which is always wanted, was read.
    const fn messages_missing(&self) -> bool {
        let [local, remote] = self.messages_read;
        self.marks & mark::SMB_FROM_LOCAL != 0 && !local || self.marks & mark::SMB_FROM_REMOTE != 0 && !remote
    }

    /// Its present evidence level.
    pub(super) fn current_level(&self) -> EvidenceLevel {
        if self.quic.is_some() {
            return self.quic_level();
        }
        let counts = self.counts();
        let (client, server) = (self.client() as usize, self.server() as usize);
        Signals {
            transport: self.tuple.transport,
            tcp_flags: [self.tcp_flags[client], self.tcp_flags[server]],
            packets: [counts.packets[client], counts.packets[server]],
            payload: [counts.payload[client], counts.payload[server]],
            answer: self.datagram_content[server],
            messages: self.message_signals(counts.payload.iter().sum()),
        }
        .level()
    }

    fn message_signals(&self, payload: u64) -> MessageSignals {
        let facts = self.facts.as_deref();
        let encrypted = self.encrypted();
        let [local, remote] = self.messages_read;
        MessageSignals {
            spoken: [
                local || self.marks & mark::SMB_FROM_LOCAL != 0,
                remote || self.marks & mark::SMB_FROM_REMOTE != 0,
            ],
            smb: self.smb_spoken(),
            credential: facts.is_some_and(Facts::authentication_attempted),
            session: facts.is_some_and(Facts::session),
            share: facts.is_some_and(Facts::share),
            content: self.content.any(),
            encrypted,
            missed: self.joined_late() || !self.each_cpu_followed(),
            refused: !encrypted && facts.is_some_and(Facts::nobody_let_in),
            unread_payload: payload.saturating_sub(self.bytes_read),
        }
    }
}
