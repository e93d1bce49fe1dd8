//! One conversation and what is known of it.

use std::{net::SocketAddr, sync::Arc};

use sensor_common::slot::{RecordKind, Side, TCP, mark, tcp};

use super::{
    Departure,
    evidence::{Evidence, Words},
    tally::Tally,
};
use crate::{
    config::Service,
    decode::{Counts, FlowKey, Observation},
    dissect::{Facts, facts::Datagrams},
    owner::Owner,
};

mod datagrams;
mod standing;
#[cfg(test)]
mod tests;

/// Longest kernel tick (100 Hz), nanoseconds.
pub(super) const TICK_SLACK: i128 = 10_000_000;

/// What identifies a conversation, whatever interfaces it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Conversation {
    /// IP protocol number.
    pub transport: u8,
    /// Internal end.
    pub local: SocketAddr,
    /// External end.
    pub remote: SocketAddr,
}

impl Conversation {
    /// The conversation of a flow, whatever interface that passes.
    #[must_use]
    pub const fn of(key: &FlowKey) -> Self {
        Self { transport: key.transport, local: key.local, remote: key.remote }
    }
}

/// A conversation between an internal and an external address.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its ends.
    pub ends: Conversation,
    /// The side that opened it.
    pub client: Side,
    /// Evidence marks, see [`mark`].
    pub marks: u16,
    /// How far it got.
    pub evidence: Evidence,
    /// First packet, nanoseconds since the Unix epoch.
    pub first: i128,
    /// Last packet.
    pub last: i128,
    /// VLAN identifier.
    pub vlan: Option<u16>,
    /// Whether it ended (reset, or closed from both sides).
    pub over: bool,
    /// Whether it had its time to be answered, or no answer is to come any more.
    pub settled: bool,
    /// What it was that left the internal networks, since it became too much between its two addresses.
    pub departure: Option<Departure>,
    /// Records that the ring had lost when it was first seen.
    pub lost_before: u64,
    /// The process on this machine that opened it from the internal side, where it is known.
    pub owner: Option<Arc<Owner>>,
    /// What its messages say, as far as they were told.
    pub facts: Option<Arc<Facts>>,
    /// What its datagrams say.
    pub datagrams: Option<Arc<Datagrams>>,
    /// What each side's datagrams are.
    words: [Words; 2],
    /// Payload of each side up to the connection of the first share.
    share_at: Option<[u64; 2]>,
    /// Payload of it that was read, which is set-up.
    read: u64,
    /// What of its payload was counted as having left between its two addresses.
    counted_departure: u64,
    /// It made room before and was told then: it begins where it went on.
    resumed: bool,
    /// What the server's port is for.
    service: Option<Service>,
    tcp_flags: [u8; 2],
    tallies: Vec<Tally>,
}

impl Flow {
    pub(super) const fn new(ends: Conversation, first: i128) -> Self {
        Self {
            ends,
            client: Side::Local,
            marks: 0,
            evidence: Evidence::Attempt,
            first,
            last: first,
            vlan: None,
            over: false,
            settled: false,
            departure: None,
            lost_before: 0,
            owner: None,
            facts: None,
            datagrams: None,
            words: [Words::Awaited; 2],
            share_at: None,
            read: 0,
            counted_departure: 0,
            resumed: false,
            service: None,
            tcp_flags: [0; 2],
            tallies: vec![],
        }
    }

    /// One that made room for another and was told then, and that goes on.
    pub(super) fn resumed(ends: Conversation, at: i128) -> Self {
        Self { resumed: true, ..Self::new(ends, at) }
    }

    /// The next conversation on the same ports.
    pub(super) fn successor(&self, first: i128) -> Self {
        let tallies = self.tallies.iter().map(Tally::successor);
        Self { tallies: tallies.collect(), ..Self::new(self.ends, first) }
    }

    /// Whether any of its counts may still be in a slot of the kernel.
    pub(super) fn in_slots(&self) -> bool {
        self.tallies.iter().any(Tally::in_slots)
    }

    /// Packets of it that slots of the kernel count, also for a conversation before it on the same ports.
    pub(super) fn packets_in_slots(&self) -> i64 {
        self.tallies.iter().map(|tally| tally.packets_in_slots() as i64).sum()
    }

    /// Counts of each direction, from the internal and from the external side: those of the interface that saw most
    /// of the conversation, so that a packet that passes two watched interfaces counts once.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tallies.iter().map(Tally::total).max_by_key(|c| c.packets[0] + c.packets[1]).unwrap_or_default()
    }

    /// Bytes of payload that left the internal networks.
    #[must_use]
    pub fn payload_from_inside(&self) -> u64 {
        self.counts().payload[Side::Local as usize]
    }

    /// Bytes that left the internal networks in an SMB session since this was last asked. What a server lets nobody into
    /// carries nothing out.
    pub(super) fn newly_departed(&mut self) -> u64 {
        if self.evidence < Evidence::Session || self.service.is_some_and(|service| service != Service::Smb) {
            return 0;
        }
        let before = self.counted_departure;
        self.counted_departure = self.payload_from_inside().max(before);
        self.counted_departure - before
    }

    /// Interfaces that saw it, the one that saw most first.
    #[must_use]
    pub fn interfaces(&self) -> Vec<u32> {
        let mut tallies: Vec<_> = self.tallies.iter().map(|t| (t.total(), t.ifindex)).collect();
        tallies.sort_by_key(|(counts, _)| std::cmp::Reverse(counts.packets[0] + counts.packets[1]));
        tallies.into_iter().map(|(_, ifindex)| ifindex).collect()
    }

    /// The side that answers.
    #[must_use]
    pub const fn server(&self) -> Side {
        self.client.peer()
    }

    /// The end on `side`.
    #[must_use]
    pub const fn end(&self, side: Side) -> SocketAddr {
        match side {
            Side::Local => self.ends.local,
            Side::Remote => self.ends.remote,
        }
    }

    /// Whether an SMB message came from either side.
    #[must_use]
    pub fn smb_spoken(&self) -> bool {
        self.marks & (mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE) != 0
            || self.facts.as_ref().is_some_and(|facts| facts.smb_spoken())
    }

    /// Whether SMB was recognised by its messages, on a port that is not watched.
    #[must_use]
    pub const fn recognised(&self) -> bool {
        self.marks & (mark::SERVER_IS_LOCAL | mark::SERVER_IS_REMOTE) != 0
    }

    /// Whether packets of one direction alone were seen of a conversation that must have had two.
    #[must_use]
    pub fn one_sided(&self) -> bool {
        let packets = self.counts().packets;
        self.evidence >= Evidence::Established && (packets[0] == 0 || packets[1] == 0)
    }

    /// Merges an observation; `service` tells what a port of this transport is for. Gives the change in
    /// packets that are accounted for.
    pub(super) fn merge(
        &mut self,
        kind: Option<RecordKind>,
        seen: &Observation,
        times: (i128, i128),
        service: impl Fn(u16) -> Option<Service>,
    ) -> i64 {
        let before = self.accounted();
        self.marks |= seen.marks & !(mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN);
        if times.0 < self.first || self.accounted() == 0 || seen.marks & mark::OPENED_BY_SYN != 0 {
            // The earliest packet, or better a SYN, tells who opened.
            if self.marks & mark::OPENED_BY_SYN == 0 {
                self.marks &= !mark::FIRST_FROM_LOCAL;
                self.marks |= seen.marks & (mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN);
            }
        }
        for side in 0..2 {
            self.tcp_flags[side] |= seen.tcp_flags[side];
        }
        // The same tick reads a little differently each time: only what is clearly earlier moves the start.
        if times.0 + TICK_SLACK < self.first && !self.resumed {
            self.first = times.0;
        }
        self.last = self.last.max(times.1);
        self.vlan = self.vlan.or(seen.vlan);
        self.tally(seen.key.ifindex).count(kind, seen);
        let client = self.opened_by(|port| service(port).is_some());
        if client != self.client
            && let Some(datagrams) = &mut self.datagrams
        {
            Arc::make_mut(datagrams).turn();
        }
        self.client = client;
        self.service = service(self.end(self.server()).port());
        self.evidence = self.evidence.max(self.read_evidence());
        let [local, remote] = self.tcp_flags;
        self.over = self.ends.transport == TCP
            && ((local | remote) & tcp::RST != 0 || local & remote & tcp::FIN != 0);
        self.accounted() - before
    }

    /// Takes over what is known of its messages; `position` is how far each side's stream was read, and `read` how much of both.
    pub(super) fn learn(&mut self, facts: Arc<Facts>, position: [u64; 2], read: u64) {
        if facts.share() && self.share_at.is_none() {
            self.share_at = Some(position);
        }
        self.read = read;
        self.facts = Some(facts);
        self.evidence = self.evidence.max(self.read_evidence());
    }

    fn tally(&mut self, ifindex: u32) -> &mut Tally {
        let at = self.tallies.iter().position(|tally| tally.ifindex == ifindex).unwrap_or_else(|| {
            self.tallies.push(Tally::of(ifindex));
            self.tallies.len() - 1
        });
        &mut self.tallies[at]
    }

    /// Packets of all tallies.
    pub(super) fn accounted(&self) -> i64 {
        self.tallies.iter().map(|tally| tally.total().packets.iter().sum::<u64>() as i64).sum()
    }
}
