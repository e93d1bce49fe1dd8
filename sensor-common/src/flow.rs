//! How a packet changes its slot.
//!
//! Takes a slot, a packet and the time in kernel ticks. Changes the slot and returns what happened. Never emits, counts
//! or looks anything up: that is the job of [`path`](crate::path).

mod key;
mod line;

use core::borrow::Borrow;

use zerocopy::transmute_ref;

use self::key::wide;
pub use self::key::{FlowHash, SlotKey};
use crate::{
    headers::Address,
    slot::{AddressesHigh, FlowDetails, FlowLine, RECORD_VERSION, Side, Slot, TCP, bit, mark, tcp},
};

/// In the first word of a [`FlowLine`], what follows its kind.
const BEHIND_KIND: u64 = u64::from_ne_bytes([0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);

/// The first four bytes of a word.
const FIRST_HALF: u64 = u64::from_ne_bytes([0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);

/// One packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub side: Side,
    /// TCP flags, 0 for UDP.
    pub tcp_flags: u8,
    /// TCP sequence number (RFC 9293 3.1), in the machine's order; 0 for UDP.
    pub sequence: u32,
    /// Evidence in the packet itself ([`mark`]).
    pub marks: u16,
    /// Bytes of the IP packet.
    pub bytes: u32,
    /// Bytes of payload.
    pub payload: u32,
    /// VLAN as in [`FlowLine::vlan`].
    pub vlan: u16,
    /// CPU that handles it.
    pub cpu: u16,
}

/// Counts at which a flow is settled, long before 32 bits overflow: one packet adds at most about 2^17.
pub const SETTLE_AT: u32 = 1 << 31;

/// Bytes behind the highest one of a stream that may be sent again: more than a window that is in use (RFC 7323 2.3).
const FARTHEST_BEHIND: i32 = 1 << 26;

/// How a packet relates to the slot that it falls on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// The slot is vacant.
    Vacant,
    /// The packet's own flow is in it.
    Own,
    /// Another flow is in it, or an ended or long idle flow of the same key. That flow must be settled first.
    Other,
}

/// What a packet added to its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Evidence that was not there before.
    pub rose: bool,
    /// The flow ended: reset, or closed from both sides. Reported once.
    pub closed: bool,
    /// The counts are near their limit and must be settled.
    pub full: bool,
}

impl Slot {
    /// Whether `key` is the flow in this slot.
    #[inline(always)]
    #[must_use]
    pub fn holds<A: Borrow<Address>>(&self, key: &SlotKey<A>) -> bool {
        let line = &self.line;
        let (local, remote) = (key.local.borrow(), key.remote.borrow());
        // In wide words: half as many comparisons.
        let near = wide(line.local_low, line.remote_low) == wide(local[3], remote[3])
            && line.local_port == key.local_port
            && line.remote_port == key.remote_port
            && [line.transport, line.family] == [key.transport, key.family]
            && line.ifindex == key.ifindex;
        if !near || key.family == 4 {
            return near;
        }
        let high = &self.high;
        wide(high.local[0], high.local[1]) == wide(local[0], local[1])
            && high.local[2] == local[2]
            && high.remote[0] == remote[0]
            && wide(high.remote[1], high.remote[2]) == wide(remote[1], remote[2])
    }

    /// Whether the slot of the same index on another CPU, which was opened, has the same flow. Of IPv6 addresses the last words are
    /// compared: the rest of them is in the index.
    #[inline(always)]
    pub(crate) fn is_of_flow_of(&self, other: &Self) -> bool {
        let own: &[u64; 8] = transmute_ref!(&self.line);
        let line: &[u64; 8] = transmute_ref!(&other.line);
        let protocol_and_interface = (own[0] ^ line[0]) & BEHIND_KIND;
        let ports = (own[2] ^ line[2]) & FIRST_HALF;
        protocol_and_interface | (own[1] ^ line[1]) | ports == 0
    }

    /// How a packet of `key` relates to this slot.
    #[inline(always)]
    #[must_use]
    pub fn tenancy<A: Borrow<Address>>(
        &self,
        key: &SlotKey<A>,
        packet: &Packet,
        now: u32,
        idle_ticks: u32,
    ) -> Tenancy {
        if self.line.transport == 0 {
            return Tenancy::Vacant;
        }
        if !self.holds(key) || now.wrapping_sub(self.line.last) > idle_ticks {
            return Tenancy::Other;
        }
        if self.begins_anew(packet) {
            return Tenancy::Other;
        }
        Tenancy::Own
    }

    /// Puts a new flow into the slot, with its first packet.
    #[inline(always)]
    pub fn open<A: Borrow<Address>>(&mut self, key: &SlotKey<A>, packet: &Packet, now: u32) {
        let (a, b) = (key.local.borrow(), key.remote.borrow());
        let generation = self.line.begin_change();
        let mut marks = packet.marks;
        if matches!(packet.side, Side::Local) {
            marks |= mark::FIRST_FROM_LOCAL;
        }
        if is_opening(packet.tcp_flags) {
            marks |= mark::OPENED_BY_SYN;
        }
        // Arithmetic instead of an index: an index would need memory, cleared first.
        let remote = packet.side as u32 & 1;
        let local = 1 - remote;
        let flags = lasting(packet.tcp_flags);
        let next_sequence = if packet.extends_stream(key.transport) { packet.next_sequence() } else { 0 };
        self.line = FlowLine {
            version: RECORD_VERSION,
            kind: 0,
            transport: key.transport,
            family: key.family,
            ifindex: key.ifindex,
            local_low: a[3],
            remote_low: b[3],
            local_port: key.local_port,
            remote_port: key.remote_port,
            marks,
            tcp_flags: [flags * local as u8, flags * remote as u8],
            packets: [local, remote],
            bytes: [packet.bytes * local, packet.bytes * remote],
            payload: [packet.payload * local, packet.payload * remote],
            next_sequence: [next_sequence * local, next_sequence * remote],
            last: now,
            generation,
        };
        self.details = FlowDetails {
            first: now,
            vlan: packet.vlan,
            cpu: packet.cpu,
            retransmitted: [0; 2],
            content: 0,
            unfollowed: 0,
            gap: [[0; 3]; 2],
        };
        // Only meaningful if the flags of the side include SYN.
        self.stream.initial_sequence = [packet.sequence * local, packet.sequence * remote];
        self.stream.pieces_sent = 0;
        self.stream.passed_over = 0;
        if key.family == 6 {
            self.high = AddressesHigh { local: [a[0], a[1], a[2]], remote: [b[0], b[1], b[2]] };
        }
        self.line.end_change();
    }

    /// Adds a packet.
    #[inline(always)]
    pub fn add(&mut self, packet: &Packet, now: u32) -> Change {
        let side = packet.side as usize & 1;
        let had_payload = self.line.payload[side] != 0;
        let new_payload = self.count(packet, now);
        let line = &mut self.line;
        let marks = line.marks | packet.marks;
        let seen = line.tcp_flags[side] | lasting(packet.tcp_flags);
        let first_payload = new_payload != 0 && !had_payload;
        let rose = marks != line.marks || seen != line.tcp_flags[side] || first_payload;
        let was_over = line.is_over();

        line.marks = marks;
        line.tcp_flags[side] = seen;

        Change { rose, closed: !was_over && line.is_over(), full: line.bytes[side] >= SETTLE_AT }
    }

    /// Whether [`add`](Self::add) would report no change of this packet, which neither opens nor ends a connection: it adds nothing
    /// but counts.
    #[inline(always)]
    pub(crate) const fn only_counts(&self, packet: &Packet) -> bool {
        let line = &self.line;
        let side = packet.side as usize & 1;
        packet.marks & !line.marks == 0
            && lasting(packet.tcp_flags) & !line.tcp_flags[side] == 0
            && (packet.payload == 0 || line.payload[side] != 0)
            && line.bytes[side].wrapping_add(packet.bytes) < SETTLE_AT
    }

    /// Adds a packet to the counts; returns how much of its payload is new.
    #[inline(always)]
    pub(crate) fn count(&mut self, packet: &Packet, now: u32) -> u32 {
        let side = packet.side as usize & 1;
        let new_payload = self.new_payload(packet);
        let line = &mut self.line;
        line.packets[side] = line.packets[side].wrapping_add(1);
        line.bytes[side] = line.bytes[side].wrapping_add(packet.bytes);
        line.payload[side] = line.payload[side].wrapping_add(new_payload);
        line.last = now;
        new_payload
    }

    /// How much of a packet's payload is new by its sequence number; the rest is counted as retransmitted. Inlined for packets in
    /// order, which nearly all are, and for those that repeat what was seen.
    #[inline(always)]
    fn new_payload(&mut self, packet: &Packet) -> u32 {
        let side = packet.side as usize & 1;
        if !packet.extends_stream(self.line.transport) {
            return packet.payload;
        }
        if packet.tcp_flags & tcp::SYN == 0 && self.line.next_sequence[side] == packet.sequence {
            self.line.next_sequence[side] = packet.next_sequence();
            return packet.payload;
        }
        if packet.tcp_flags & tcp::SYN == 0 && self.is_repeated(packet) {
            let retransmitted = &mut self.details.retransmitted[side];
            *retransmitted = retransmitted.wrapping_add(packet.payload);
            return 0;
        }
        let again = packet.tcp_flags & tcp::SYN != 0 && !self.synchronised_by(packet);
        if again {
            self.stream.initial_sequence[side] = packet.sequence;
            // Its messages begin elsewhere now.
            self.line.kind &= !(bit::OF_LOCAL << side);
        }
        self.new_out_of_order(side, packet.next_sequence(), packet.payload, again)
    }

    /// Whether all of a packet's payload was seen before, in a stream without gap: [`new_out_of_order`](Self::new_out_of_order) says
    /// that none of it is new.
    #[inline(always)]
    const fn is_repeated(&self, packet: &Packet) -> bool {
        let side = packet.side as usize & 1;
        let known = self.line.next_sequence[side];
        let behind = known.wrapping_sub(packet.next_sequence());
        let only_synchronised = known == self.stream.initial_sequence[side].wrapping_add(1);
        known != 0 && behind <= FARTHEST_BEHIND as u32 && !only_synchronised && self.details.gap(side) == 0
    }

    /// The same for what is not in order; `next` is the sequence number behind it. Sequence numbers are compared modulo 2^32, as
    /// RFC 9293 3.4 has it. Late bytes are new as long as they can fill a gap before them; only then have they been seen before.
    #[inline(never)]
    fn new_out_of_order(&mut self, side: usize, next: u32, payload: u32, restarts: bool) -> u32 {
        let side = side & 1;
        let known = self.line.next_sequence[side];
        let ahead = next.wrapping_sub(known) as i32;
        // Bytes before a SYN were not sent again, nor bytes so far behind: the number that was known was forged. A keep-alive may
        // carry one byte before it (RFC 9293 3.8.4).
        let only_synchronised =
            payload > 1 && ahead <= 0 && known == self.stream.initial_sequence[side].wrapping_add(1);
        if restarts || known == 0 || only_synchronised || ahead < -FARTHEST_BEHIND {
            self.line.next_sequence[side] = next;
            self.details.set_gap(side, 0);
            return payload;
        }
        let gap = self.details.gap(side);
        if ahead >= payload as i32 {
            self.line.next_sequence[side] = next;
            self.details.set_gap(side, gap.saturating_add(ahead as u32 - payload));
            return payload;
        }
        let mut new = 0;
        if ahead > 0 {
            self.line.next_sequence[side] = next;
            new = ahead as u32;
        }
        let late = payload - new;
        let fills = if late < gap { late } else { gap };
        if fills != 0 {
            self.details.set_gap(side, gap - fills);
        }
        let retransmitted = &mut self.details.retransmitted[side];
        *retransmitted = retransmitted.wrapping_add(late - fills);
        new + fills
    }

    /// Whether the sender of a SYN sent one with the same sequence number before, so that this is a retransmission.
    #[inline(always)]
    const fn synchronised_by(&self, packet: &Packet) -> bool {
        let side = packet.side as usize & 1;
        self.line.tcp_flags[side] & tcp::SYN != 0 && self.stream.initial_sequence[side] == packet.sequence
    }

    /// Whether `packet` can only belong to a later connection on the same ports: a SYN with another sequence number than the one
    /// before, after the connection carried data or its sender acknowledged some. The sender's own packets decide where they
    /// can, because the other direction may be on another CPU: a client that has acknowledged sends no new SYN, and a server
    /// that has sent data or a FIN sends no SYN-ACK. A SYN that is sent again after a refusal, as Windows does, belongs to the
    /// same attempt.
    #[inline(always)]
    const fn begins_anew(&self, packet: &Packet) -> bool {
        if packet.tcp_flags & tcp::SYN == 0 || self.synchronised_by(packet) {
            return false;
        }
        let line = &self.line;
        let side = packet.side as usize & 1;
        let before = line.tcp_flags[side];
        if packet.tcp_flags & tcp::ACK == 0 {
            before & tcp::ACK != 0 || line.payload[0] | line.payload[1] != 0
        } else {
            before & (tcp::FIN | tcp::RST) != 0 || line.payload[side] != 0
        }
    }

    /// Resets the counts after they were settled; the flow and its evidence stay. Settling ends a generation, so this begins
    /// another one.
    #[inline(always)]
    pub fn clear_counts(&mut self) {
        self.line.begin_change();
        self.line.packets = [0; 2];
        self.line.bytes = [0; 2];
        self.line.payload = [0; 2];
        self.details.retransmitted = [0; 2];
        self.stream.pieces_sent = 0;
        self.line.end_change();
    }
}

impl Packet {
    /// Whether its sequence number shows how far a TCP stream has come: it carries a byte or a SYN.
    #[inline(always)]
    const fn extends_stream(&self, transport: u8) -> bool {
        transport == TCP
            && self.tcp_flags & tcp::RST == 0
            && (self.payload != 0 || self.tcp_flags & tcp::SYN != 0)
    }

    /// The sequence number of its payload: a SYN takes the one before it (RFC 9293 3.4).
    #[inline(always)]
    pub(crate) const fn payload_sequence(&self) -> u32 {
        self.sequence.wrapping_add(((self.tcp_flags / tcp::SYN) & 1) as u32)
    }

    /// The sequence number after the packet. A SYN takes one (RFC 9293 3.4). A FIN is ignored, because nothing follows it.
    #[inline(always)]
    const fn next_sequence(&self) -> u32 {
        let synchronises = (self.tcp_flags & tcp::SYN != 0) as u32;
        self.sequence.wrapping_add(synchronises).wrapping_add(self.payload)
    }
}

/// A SYN that opens a connection.
#[inline(always)]
const fn is_opening(flags: u8) -> bool {
    flags & (tcp::SYN | tcp::ACK | tcp::RST) == tcp::SYN
}

/// The flags worth keeping. The ACK of a reset says nothing about a connection, so only RST is kept of it.
#[inline(always)]
const fn lasting(flags: u8) -> u8 {
    if flags & tcp::RST != 0 { tcp::RST } else { flags & (tcp::SYN | tcp::ACK | tcp::FIN) }
}

#[cfg(test)]
mod tests;
