//! One connection and what is known of it.

use std::{sync::Arc, time::Duration};

use sensor_common::slot::{RecordKind, Side, mark, tcp};
use sensor_dissect::{
    Facts,
    facts::{Datagrams, FactCounters},
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
    /// How far it got.
    pub level: EvidenceLevel,
    /// Whether it is known who is the client.
    pub roles_known: bool,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// VLAN identifier.
    pub vlan: Option<u16>,
    /// Its time to be answered is up.
    pub settled: bool,
    /// Commands that carry content.
    pub content: Content,
    /// Records that the ring had lost when it was first seen.
    pub lost_before: u64,
    /// The process on this machine that opened it.
    pub process: Option<Arc<Process>>,
    /// What its messages say, as far as they were read.
    #[serde(skip)]
    pub facts: Option<Arc<Facts>>,
    /// What its datagrams say.
    #[serde(skip)]
    pub datagrams: Option<Arc<Datagrams>>,
    /// The client is at the external end.
    client_is_remote: bool,
    /// Its roles were known before it was stored and are not found out anew.
    pub(super) roles_restored: bool,
    /// What is kept of facts that were dropped.
    pub(super) fact_counters: Option<FactCounters>,
    /// The side that sent the first request, as its messages show it.
    #[serde(skip)]
    pub(super) client_by_requests: Option<Side>,
    /// What the datagrams of each side are.
    pub(super) datagram_content: [DatagramContent; 2],
    /// Sides whose datagrams are responses.
    pub(super) responded: [bool; 2],
    /// Sides of which SMB or DCE-RPC messages were read.
    pub(super) messages_read: [bool; 2],
    /// What negotiates the dialect was read.
    pub(super) negotiated: bool,
    /// Payload that was read, of both sides.
    pub(super) bytes_read: u64,
    /// Messages of it could not be read.
    pub(super) incomplete: bool,
    /// What is spoken instead of SMB, as its first bytes show it.
    #[serde(default)]
    pub(super) other_protocol: Option<OtherProtocol>,
    /// The ring lost records since it began.
    pub(super) records_lost: bool,
    pub(super) tcp_flags: [u8; 2],
    /// When the client is first known to have acknowledged: it sends no SYN of this connection after that.
    acknowledged: [Option<Timestamp>; 2],
    pub(super) ending: Ending,
    interfaces: Vec<InterfaceCounters>,
    /// It was taken out of the full table before, and reported then: it begins where it went on.
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
            client_is_remote: false,
            roles_restored: false,
            fact_counters: None,
            client_by_requests: None,
            datagram_content: [DatagramContent::Unread; 2],
            responded: [false; 2],
            messages_read: [false; 2],
            negotiated: false,
            bytes_read: 0,
            incomplete: false,
            other_protocol: None,
            records_lost: false,
            tcp_flags: [0; 2],
            acknowledged: [None; 2],
            ending: Ending::default(),
            interfaces: Vec::new(),
            after_eviction: false,
        }
    }

    /// One that was taken out of the full table, and that goes on.
    pub(super) fn after_eviction(tuple: FiveTuple, at: Timestamp) -> Self {
        Self { after_eviction: true, ..Self::new(tuple, at) }
    }

    /// The next connection with the same five-tuple.
    pub(super) fn successor(&self, first: Timestamp) -> Self {
        let interfaces = self.interfaces.iter().map(InterfaceCounters::successor);
        Self { interfaces: interfaces.collect(), ..Self::new(self.tuple, first) }
    }

    /// The side that opened it; that of the first packet, where the roles are not known.
    #[must_use]
    pub const fn client(&self) -> Side {
        if self.client_is_remote { Side::Remote } else { Side::Local }
    }

    /// The side that answers.
    #[must_use]
    pub const fn server(&self) -> Side {
        self.client().peer()
    }

    pub(super) const fn set_client(&mut self, client: Side) {
        self.client_is_remote = matches!(client, Side::Remote);
    }

    /// Counts of each direction, from the internal and from the external side: those of the interface that saw most of the
    /// connection, so that a packet that passes two watched interfaces counts once.
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

    /// Packets of it that slots of the kernel count, also for a connection before it with the same five-tuple.
    pub(super) fn packets_in_slots(&self) -> i64 {
        self.interfaces.iter().map(|interface| interface.packets_in_slots() as i64).sum()
    }

    /// Packets that all interfaces counted.
    pub(super) fn accounted(&self) -> i64 {
        self.interfaces.iter().map(|interface| interface.total().total_packets() as i64).sum()
    }

    /// Takes the counts out of slots that are gone.
    pub(super) fn settle_slots(&mut self) {
        self.interfaces.iter_mut().for_each(InterfaceCounters::settle);
    }

    /// Whether `seen` begins another connection with the same five-tuple: a SYN behind an ACK of the same sender, who sends no SYN
    /// again after that. `closed` is when this one was given as closed.
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
        // The clock may be stepped while a slot is counted in: its first packet stays what it was.
        if interface.is_some_and(|interface| interface.counts_slot_of(seen)) {
            return false;
        }
        let took_slot = kind == Some(RecordKind::Opened)
            && interface.is_some_and(|interface| interface.syn_slot_was_taken(seen));
        if closed {
            return took_slot || first > self.last + TICK_SLACK;
        }
        if self.roles_known && sender != self.client() {
            // The server cannot open what its client has open: whoever sent that, the connection is the same.
            return false;
        }
        self.acknowledged[sender as usize].is_some_and(|at| took_slot || first > at + TICK_SLACK)
    }

    /// Merges an observation, whose first and last packets were at `times`. Gives the change in packets that are accounted for.
    pub(super) fn merge(
        &mut self,
        kind: Option<RecordKind>,
        seen: &Observation,
        times: (Timestamp, Timestamp),
        services: &ServicePorts,
    ) -> i64 {
        let before = self.accounted();
        self.marks |= seen.marks & !(mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN);
        // The earliest packet, or better a SYN, shows who opened it.
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
        // The same tick reads a little differently each time: only what is clearly earlier moves the start.
        if times.0 + TICK_SLACK < self.first && !self.after_eviction {
            self.first = times.0;
        }
        self.last = self.last.max(times.1);
        self.vlan = self.vlan.or(seen.vlan);
        self.content.add(seen.content);
        let interface = self.interface(seen.id.ifindex);
        interface.count(kind, seen);
        // Where packets are spread over CPUs each has gaps, and where they are out of order there is one for a moment.
        let lasts = !matches!(kind, Some(RecordKind::Opened | RecordKind::Rose));
        let gap = seen.unfollowed.gap && lasts && interface.is_on_one_cpu();
        self.incomplete |= seen.unfollowed.messages || gap;
        self.update_ending();
        self.update(services);
        self.accounted() - before
    }

    /// Drops what its messages said, which takes most of its memory. Level and counters stay.
    pub(super) fn drop_facts(&mut self) {
        if let Some(facts) = self.facts.take() {
            self.fact_counters = Some(facts.counters());
        }
        self.datagrams = None;
    }

    /// Goes on with what was kept of its facts.
    pub(super) fn resume_facts(&mut self) {
        if let Some(counters) = self.fact_counters.take() {
            self.facts.get_or_insert_with(|| Arc::new(counters.into()));
        }
    }

    /// Finds out roles and level anew; says whether that changed anything.
    pub(super) fn update(&mut self, services: &ServicePorts) -> bool {
        let (level, client) = (self.level, self.client());
        let changed = self.update_roles(services);
        let current = self.current_level();
        // What was derived with the wrong client does not stay.
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
