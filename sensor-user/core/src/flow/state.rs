//! One connection and everything known about it.

use std::{sync::Arc, time::Duration};

use sensor_common::slot::{RecordKind, Side, TCP, mark, tcp};
use sensor_dissect::{
    Facts,
    facts::{Datagrams, FactCounters},
    quic::ClientHello,
};
use serde::{Deserialize, Serialize};

use super::{ending::Ending, evidence::DatagramContent, interface::InterfaceCounters};
use crate::{
    address::FiveTuple,
    level::EvidenceLevel,
    process::Process,
    record::{Content, Counts, Observation},
    service::ServicePorts,
    time::Timestamp,
    view::OtherProtocol,
};

/// Longest kernel tick (100 Hz).
pub(super) const TICK_SLACK: Duration = Duration::from_millis(10);

/// A connection between an internal and an external address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Its ends.
    pub tuple: FiveTuple,
    /// Evidence marks of the kernel, see [`mark`].
    pub marks: u16,
    /// Its evidence level.
    pub level: EvidenceLevel,
    /// Whether the client is known.
    pub roles_known: bool,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// VLAN identifier.
    pub vlan: Option<u16>,
    /// Its time to be answered is over.
    pub settled: bool,
    /// Commands that carry content.
    pub content: Content,
    /// Records that the ring had lost when it was first seen.
    pub lost_before: u64,
    /// The process on this machine that opened it.
    pub process: Option<Arc<Process>>,
    /// The facts of its messages, as far as they were read.
    #[serde(skip)]
    pub facts: Option<Arc<Facts>>,
    /// The facts of its datagrams.
    #[serde(skip)]
    pub datagrams: Option<Arc<Datagrams>>,
    /// The ClientHello with which its client offered SMB over QUIC.
    #[serde(default)]
    pub quic: Option<Arc<ClientHello>>,
    /// The client is at the external end.
    client_is_remote: bool,
    /// Its roles were known before it was stored, and are not derived again.
    pub(super) roles_restored: bool,
    /// The counters that remain of dropped facts.
    pub(super) fact_counters: Option<FactCounters>,
    /// The side that sent the first request, as its messages show.
    #[serde(skip)]
    pub(super) client_by_requests: Option<Side>,
    /// The client, as the kernel saw it in the headers of messages, also of those that are not handed up.
    #[serde(skip)]
    pub(super) client_by_headers: Option<Side>,
    /// The kind of each side's datagrams.
    pub(super) datagram_content: [DatagramContent; 2],
    /// Sides whose datagrams are responses.
    pub(super) responded: [bool; 2],
    /// Sides whose SMB or DCE-RPC messages were read.
    pub(super) messages_read: [bool; 2],
    /// The negotiation of the dialect was read.
    pub(super) negotiated: bool,
    /// SMB messages of both sides were seen that do not contradict each other about who is the client.
    #[serde(default)]
    pub(super) smb_answered: bool,
    /// Bytes of payload that were read, of both sides.
    pub(super) bytes_read: u64,
    /// Some of its messages could not be read.
    pub(super) incomplete: bool,
    /// At its end, its slots did not show that the CPUs together had looked at every message.
    #[serde(default)]
    pub(super) missed_between_cpus: bool,
    /// Segments had different bytes at the same place of its stream.
    #[serde(default)]
    pub(super) conflicting: bool,
    /// What is spoken instead of SMB, as its first bytes show it.
    #[serde(default)]
    pub(super) other_protocol: Option<OtherProtocol>,
    /// The server that its client asked for in TLS (RFC 6066 3).
    #[serde(default)]
    pub(super) tls_server: Option<Arc<str>>,
    /// The ring lost records since it began.
    pub(super) records_lost: bool,
    pub(super) tcp_flags: [u8; 2],
    /// When the client first acknowledged: after that it sends no SYN of this connection.
    acknowledged: [Option<Timestamp>; 2],
    pub(super) ending: Ending,
    interfaces: Vec<InterfaceCounters>,
    /// It was evicted and reported before: this entry continues it.
    after_eviction: bool,
}

impl Flow {
    pub(super) fn new(tuple: FiveTuple, first: Timestamp) -> Self {
        Self {
            tuple,
            marks: 0,
            level: EvidenceLevel::Attempt,
            roles_known: false,
            first,
            last: first,
            vlan: None,
            settled: false,
            content: Content::default(),
            lost_before: 0,
            process: None,
            facts: None,
            datagrams: None,
            quic: None,
            client_is_remote: false,
            roles_restored: false,
            fact_counters: None,
            client_by_requests: None,
            client_by_headers: None,
            datagram_content: [DatagramContent::Unread; 2],
            responded: [false; 2],
            messages_read: [false; 2],
            negotiated: false,
            smb_answered: false,
            bytes_read: 0,
            incomplete: false,
            missed_between_cpus: false,
            conflicting: false,
            other_protocol: None,
            tls_server: None,
            records_lost: false,
            tcp_flags: [0; 2],
            acknowledged: [None; 2],
            ending: Ending::default(),
            interfaces: Vec::new(),
            after_eviction: false,
        }
    }

    /// A connection that was evicted and continues.
    pub(super) fn after_eviction(tuple: FiveTuple, at: Timestamp) -> Self {
        Self { after_eviction: true, ..Self::new(tuple, at) }
    }

    /// The next connection with the same five-tuple.
    pub(super) fn successor(&self, first: Timestamp) -> Self {
        let interfaces = self.interfaces.iter().map(InterfaceCounters::successor);
        Self { interfaces: interfaces.collect(), ..Self::new(self.tuple, first) }
    }

    /// The side that opened it; if the roles are unknown, the side of the first packet.
    #[must_use]
    pub const fn client(&self) -> Side {
        if self.client_is_remote { Side::Remote } else { Side::Local }
    }

    /// The other side.
    #[must_use]
    pub const fn server(&self) -> Side {
        self.client().peer()
    }

    pub(super) const fn set_client(&mut self, client: Side) {
        self.client_is_remote = matches!(client, Side::Remote);
    }

    /// Counts of each direction, from the internal and from the external side. They are those of the interface that saw most of
    /// the connection, so a packet that passes two watched interfaces counts once.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let totals = self.interfaces.iter().map(InterfaceCounters::total);
        totals.max_by_key(Counts::total_packets).unwrap_or_default()
    }

    /// The interface that saw most of it.
    #[must_use]
    pub fn busiest_interface(&self) -> Option<u32> {
        let busiest = self.interfaces.iter().max_by_key(|interface| interface.total().total_packets());
        busiest.map(|interface| interface.ifindex)
    }

    /// Whether any of its counts may still be in a slot of the kernel.
    pub(super) fn has_slots(&self) -> bool {
        self.interfaces.iter().any(InterfaceCounters::has_slots)
    }

    /// Its packets in slots of the kernel, including those of an earlier connection with the same five-tuple.
    pub(super) fn packets_in_slots(&self) -> i64 {
        self.interfaces.iter().map(|interface| interface.packets_in_slots() as i64).sum()
    }

    /// Packets that all interfaces counted.
    pub(super) fn accounted(&self) -> i64 {
        self.interfaces.iter().map(|interface| interface.total().total_packets() as i64).sum()
    }

    /// Removes the counts in slots that no longer exist.
    pub(super) fn settle_slots(&mut self) {
        self.interfaces.iter_mut().for_each(InterfaceCounters::settle);
    }

    /// Whether `seen` begins another connection with the same five-tuple: a SYN after an ACK of the same sender, which sends no
    /// further SYN in this connection. `closed` is when this one was reported as closed.
    pub(super) fn is_followed_by(
        &self,
        kind: Option<RecordKind>,
        seen: &Observation,
        first: Timestamp,
        closed: bool,
    ) -> bool {
        if seen.marks & mark::OPENED_BY_SYN == 0 || kind == Some(RecordKind::Settled) {
            return false;
        }
        let sender = if seen.marks & mark::FIRST_FROM_LOCAL != 0 { Side::Local } else { Side::Remote };
        let interface = self.interfaces.iter().find(|one| one.ifindex == seen.id.ifindex);
        // The clock may be stepped while a slot counts: the first packet keeps its time.
        if interface.is_some_and(|interface| interface.counts_slot_of(seen)) {
            return false;
        }
        let took_slot = kind == Some(RecordKind::Opened)
            && interface.is_some_and(|interface| interface.syn_slot_was_taken(seen));
        if closed {
            return took_slot || first > self.last + TICK_SLACK;
        }
        if self.roles_known && sender != self.client() {
            // The server cannot open a connection that its client has open: whoever sent this, the connection is the same.
            return false;
        }
        self.acknowledged[sender as usize].is_some_and(|at| took_slot || first > at + TICK_SLACK)
    }

    /// Whether a swept slot shows nothing new.
    pub(super) fn knows_slot(&self, seen: &Observation) -> bool {
        let marks = seen.marks & !(mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN);
        let flags = (0..2).all(|side| seen.tcp_flags[side] & !self.tcp_flags[side] == 0);
        let mut content = self.content;
        content.add(seen.content);
        let incomplete = seen.unfollowed.messages || seen.unfollowed.gap;
        marks & !self.marks == 0
            && flags
            && content == self.content
            && (self.incomplete || !incomplete)
            && (self.client_by_headers.is_some() || seen.client.is_none())
            && self.interfaces.iter().any(|one| one.ifindex == seen.id.ifindex && one.knows(seen))
    }

    /// Merges an observation whose first and last packets were at `times`. Returns the change in accounted packets.
    pub(super) fn merge(
        &mut self,
        kind: Option<RecordKind>,
        seen: &Observation,
        times: (Timestamp, Timestamp),
        services: &ServicePorts,
    ) -> i64 {
        let before = self.accounted();
        self.marks |= seen.marks & !(mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN);
        // The earliest packet, or rather a SYN, shows the client.
        if self.marks & mark::OPENED_BY_SYN == 0
            && (times.0 < self.first || before == 0 || seen.marks & mark::OPENED_BY_SYN != 0)
        {
            self.marks &= !mark::FIRST_FROM_LOCAL;
            self.marks |= seen.marks & (mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN);
        }
        for side in 0..2 {
            self.tcp_flags[side] |= seen.tcp_flags[side];
            if seen.tcp_flags[side] & tcp::ACK != 0 {
                self.acknowledged[side].get_or_insert(times.1);
            }
        }
        // The same tick converts a little differently each time: only a clearly earlier time moves the start.
        if times.0 + TICK_SLACK < self.first && !self.after_eviction {
            self.first = times.0;
        }
        self.last = self.last.max(times.1);
        self.vlan = self.vlan.or(seen.vlan);
        self.content.add(seen.content);
        self.client_by_headers = self.client_by_headers.or(seen.client);
        let interface = self.interface(seen.id.ifindex);
        interface.count(kind, seen);
        // Where packets are spread over CPUs each has gaps, and where they are out of order there is one for a moment: what was missed
        // between the CPUs is looked for when nothing more comes.
        let lasts = !matches!(kind, Some(RecordKind::Opened | RecordKind::Rose));
        let gap = seen.unfollowed.gap && lasts && interface.is_on_one_cpu();
        self.incomplete |= seen.unfollowed.messages || gap;
        self.update_ending();
        self.update(services);
        self.accounted() - before
    }

    /// Looks for messages that passed, or may have passed, between the CPUs unread, in slots that do not change any more.
    pub(super) fn note_missed_messages(&mut self) {
        let smb_spoken = self.smb_spoken();
        // Heads of HTTP are found without a place in the stream.
        if self.tuple.transport != TCP || self.marks & mark::HTTP != 0 && !smb_spoken {
            return;
        }
        self.missed_between_cpus = self.interfaces.iter().any(|one| one.may_have_missed(smb_spoken));
    }

    /// Drops the facts of its messages, which use most of its memory. Level and counters stay.
    pub(super) fn drop_facts(&mut self) {
        if let Some(facts) = self.facts.take() {
            self.fact_counters = Some(facts.counters());
        }
        self.datagrams = None;
    }

    /// Continues with the counters of its facts.
    pub(super) fn resume_facts(&mut self) {
        if let Some(counters) = self.fact_counters.take() {
            self.facts.get_or_insert_with(|| Arc::new(counters.into()));
        }
    }

    /// Derives roles and level again; returns whether they changed.
    pub(super) fn update(&mut self, services: &ServicePorts) -> bool {
        let (level, client) = (self.level, self.client());
        self.smb_answered |= self.smb_exchanged();
        let changed = self.update_roles(services);
        let current = self.current_level();
        // A level that was derived with the wrong client does not stay.
        self.level = if client == self.client() { level.max(current) } else { current };
        changed || self.level != level
    }

    fn interface(&mut self, ifindex: u32) -> &mut InterfaceCounters {
        let at = self.interfaces.iter().position(|known| known.ifindex == ifindex).unwrap_or_else(|| {
            self.interfaces.push(InterfaceCounters::new(ifindex));
            self.interfaces.len() - 1
        });
        &mut self.interfaces[at]
    }
}
