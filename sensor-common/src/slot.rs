//! The flow slot: the unit of state in the kernel, and the source of the records on the ring.
//!
//! A slot has three cache lines. An ordinary IPv4 packet touches only the first, [`FlowLine`]. The second is written when a
//! flow takes the slot, and read by IPv6 packets, retransmissions and messages. The third says where messages begin; packets
//! with payload of a flow that speaks SMB read it. A record on the ring is the beginning of a slot with its header filled in:
//! [`RecordV4`] or [`RecordV6`]. Integers are in the machine's order, addresses in wire order.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Version of this layout, in every record. A reader refuses unknown versions.
pub const RECORD_VERSION: u8 = 5;

/// Bytes of an IPv4 record.
pub const RECORD_V4_LEN: usize = size_of::<RecordV4>();

/// Bytes of an IPv6 record.
pub const RECORD_V6_LEN: usize = size_of::<RecordV6>();

/// Bytes of a [`RecordKind::Replaced`] record: two IPv4 records.
pub const RECORD_REPLACED_LEN: usize = 2 * RECORD_V4_LEN;

/// The kind of a record. `0` is a slot at rest and is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// A flow took a slot.
    Opened = 1,
    /// A flow's evidence rose.
    Rose = 2,
    /// A flow was reset or closed from both sides.
    Closed = 3,
    /// The exact counts of a flow that left its slot, or counts that were taken out before they could overflow.
    Settled = 4,
    /// One IPv4 flow replaced another: the settled record of the old one, then the opened record of the new one.
    Replaced = 5,
    /// A piece of payload, see [`payload`](crate::payload).
    Payload = 6,
}

impl RecordKind {
    /// Reads a kind from the ring.
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Opened),
            2 => Some(Self::Rose),
            3 => Some(Self::Closed),
            4 => Some(Self::Settled),
            5 => Some(Self::Replaced),
            6 => Some(Self::Payload),
            _ => None,
        }
    }
}

/// Which side of a flow a packet came from; the index into per-direction counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// The internal address.
    Local = 0,
    /// The external address.
    Remote = 1,
}

impl Side {
    /// The other side.
    #[inline(always)]
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Local => Self::Remote,
            Self::Remote => Self::Local,
        }
    }
}

/// Where the kernel program ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Hook {
    /// XDP, frames coming in.
    XdpIngress = 1,
    /// TC, frames coming in.
    TcIngress = 2,
    /// TC, frames going out.
    TcEgress = 3,
}

/// Evidence bits beside the TCP flags ([`Slot::marks`]).
pub mod mark {
    /// The flow's first packet came from the internal side.
    pub const FIRST_FROM_LOCAL: u16 = 1;
    /// An SMB message header came from the internal side (MS-SMB2 2.1, MS-CIFS 2.2.3.1 behind RFC 1002 4.3.1).
    pub const SMB_FROM_LOCAL: u16 = 1 << 1;
    /// An SMB message header came from the external side.
    pub const SMB_FROM_REMOTE: u16 = 1 << 2;
    /// At least one packet came in through XDP.
    pub const HOOK_XDP_INGRESS: u16 = 1 << 3;
    /// At least one packet came in through TC.
    pub const HOOK_TC_INGRESS: u16 = 1 << 4;
    /// At least one packet went out through TC.
    pub const HOOK_TC_EGRESS: u16 = 1 << 5;
    /// A first fragment was seen.
    pub const FRAGMENTED: u16 = 1 << 6;
    /// The flow's first packet was a SYN: its sender is the client, whatever the ports.
    pub const OPENED_BY_SYN: u16 = 1 << 7;
    /// The flow came out of a tunnel.
    pub const TUNNELLED: u16 = 1 << 8;
    /// SMB or WebDAV was recognised on a port that is not watched, and the internal side is the server.
    pub const SERVER_IS_LOCAL: u16 = 1 << 9;
    /// The same, and the external side is the server.
    pub const SERVER_IS_REMOTE: u16 = 1 << 10;
    /// Messages of SMB 3 were encrypted (MS-SMB2 2.2.41).
    pub const ENCRYPTED: u16 = 1 << 11;
    /// Messages of SMB 3 were compressed (MS-SMB2 2.2.42).
    pub const COMPRESSED: u16 = 1 << 12;
    /// Enforcement dropped a packet that would have opened the flow.
    pub const DROPPED: u16 = 1 << 13;
    /// The external end is on a threat list.
    pub const THREAT: u16 = 1 << 14;
    /// A request of a WebDAV client was seen: OPTIONS or PROPFIND.
    pub const HTTP: u16 = 1 << 15;
    /// Every hook bit.
    pub const HOOKS: u16 = HOOK_XDP_INGRESS | HOOK_TC_INGRESS | HOOK_TC_EGRESS;
}

/// Bits in a slot's `kind`, for the internal side; those for the external side are one to the left of them.
pub mod bit {
    /// More of a message is awaited.
    pub const AWAITED: u8 = 1;
    /// There is a gap that may be filled.
    pub const GAP: u8 = 1 << 2;
    /// It is known where the next message begins.
    pub const PLACED: u8 = 1 << 4;
    /// It was not known any more, or never, where one begins.
    pub const LOST: u8 = 1 << 6;
    /// All of the internal side.
    pub const OF_LOCAL: u8 = AWAITED | GAP | PLACED | LOST;
}

/// TCP flag bits as in the header (RFC 9293 3.1).
pub mod tcp {
    /// No more data from sender.
    pub const FIN: u8 = 1;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 1 << 1;
    /// Reset the connection.
    pub const RST: u8 = 1 << 2;
    /// The acknowledgment field is significant.
    pub const ACK: u8 = 1 << 4;
}

/// IP protocol number of TCP (IANA protocol numbers).
pub const TCP: u8 = 6;
/// IP protocol number of UDP.
pub const UDP: u8 = 17;

/// An address in wire order, four 32-bit words. An IPv4 address is the last word; the others are zero.
pub type Address = [u32; 4];

/// First cache line: all that an IPv4 packet touches, and the first part of an IPv4 record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct FlowLine {
    /// [`RECORD_VERSION`].
    pub version: u8,
    /// In a record, a [`RecordKind`]. In a slot, one bit for each [`Side`]: more of a message is awaited; a gap in the stream may
    /// be filled; it is known where the next message begins; that is not known any more.
    pub kind: u8,
    /// IP protocol, [`TCP`] or [`UDP`]; 0 in a vacant slot.
    pub transport: u8,
    /// 4 or 6.
    pub family: u8,
    /// Interface index the packets passed.
    pub ifindex: u32,
    /// Internal IPv4 address, or the last 32 bits of the IPv6 one; wire order.
    pub local_low: u32,
    /// External address, likewise.
    pub remote_low: u32,
    /// Internal port, wire order.
    pub local_port: u16,
    /// External port, wire order.
    pub remote_port: u16,
    /// Evidence, see [`mark`].
    pub marks: u16,
    /// TCP flags ever seen from each [`Side`]; those of a reset segment count as RST alone.
    pub tcp_flags: [u8; 2],
    /// Packets from each side since the flow took the slot or was last settled.
    pub packets: [u32; 2],
    /// Bytes of IP packets from each side, headers included.
    pub bytes: [u32; 2],
    /// Bytes of transport payload from each side: of a TCP stream by sequence number, so that a byte that is sent twice counts
    /// once. Bytes that a gap left out count when they are seen.
    pub payload: [u32; 2],
    /// TCP: the sequence number after the highest byte seen from each side, or 0 if none was seen.
    pub next_sequence: [u32; 2],
    /// Kernel ticks (low 32 bits of jiffies) of the last packet.
    pub last: u32,
    /// Rises by two with each new tenant; odd while the slot changes hands.
    pub generation: u32,
}

/// The fields that do not fit into the first line and that an IPv4 record needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct FlowDetails {
    /// Kernel ticks of the first packet.
    pub first: u32,
    /// Outer VLAN identifier with bit 15 set, or 0 without a tag (IEEE 802.1Q).
    pub vlan: u16,
    /// CPU that owns the slot.
    pub cpu: u16,
    /// Bytes of TCP payload from each side that it had sent before. Late bytes that fill a gap are not among them.
    pub retransmitted: [u32; 2],
    /// The [`Side`]s that sent file content, one bit each: [`content_bit`]; and [`PAST_SET_UP`], [`CLIENT_IS_LOCAL`] and
    /// [`CLIENT_IS_REMOTE`].
    pub content: u8,
    /// Messages that could not be followed, see [`unfollowed`].
    pub unfollowed: u8,
    /// Bytes of each side's stream below its `next_sequence` that were not seen yet; 24 bits each, little-endian.
    pub gap: [[u8; 3]; 2],
}

/// Bits of [`FlowDetails::unfollowed`]: why messages of a flow may not have been read. A flow whose packets are spread over
/// CPUs has gaps on each of them.
pub mod unfollowed {
    /// There is a gap in the stream of the internal side, and a message begins in it. It may be filled yet.
    pub const GAP_OF_LOCAL: u8 = 1;
    /// The same for the external side.
    pub const GAP_OF_REMOTE: u8 = 1 << 1;
    /// A gap was given up.
    pub const GAP_LEFT: u8 = 1 << 2;
    /// A packet had more messages, or pieces of them, than are passed on; or no message where one was to begin.
    pub const MESSAGES: u8 = 1 << 3;
}

/// The bit of [`FlowDetails::content`] for a side that sent a message with file content (1: the internal side, 2: the
/// external one): a WRITE request or a successful READ response of SMB 2 or 3 (MS-SMB2 2.2.21, 2.2.20), or one of SMB 1
/// (MS-CIFS 2.2.4). A DCE-RPC PDU in a named pipe is no file content.
#[inline(always)]
#[must_use]
pub const fn content_bit(side: u8) -> u8 {
    1 << (side & 1)
}

/// The bits of both sides.
pub const CONTENT_OF_ANY: u8 = content_bit(0) | content_bit(1);

/// The bit of [`FlowDetails::content`] that says that a message passed other than NEGOTIATE and SESSION_SETUP: file content may
/// follow from now on.
pub const PAST_SET_UP: u8 = 1 << 2;

/// The bit of [`FlowDetails::content`] for a flow in which the internal side sent a request, or the external one a response (the flag in
/// the header of SMB messages, MS-SMB2 2.2.1.2 and MS-CIFS 2.2.3.1).
pub const CLIENT_IS_LOCAL: u8 = 1 << 3;

/// The same for a request of the external side, or a response of the internal one.
pub const CLIENT_IS_REMOTE: u8 = 1 << 4;

/// The rest of IPv6 addresses. For an IPv4 flow it is zero or left over from an earlier tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct AddressesHigh {
    /// First 96 bits of the internal IPv6 address, wire order.
    pub local: [u32; 3],
    /// First 96 bits of the external IPv6 address.
    pub remote: [u32; 3],
}

/// Kernel-only state of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct StreamState {
    /// TCP: the initial sequence number of each side, where a SYN of it was seen (RFC 9293 3.4). UDP: a hash of the datagram of
    /// each side that was handed up last.
    pub initial_sequence: [u32; 2],
    /// Pieces of payload sent to the agent in this generation.
    pub pieces_sent: u16,
    /// Bytes of both sides' streams, modulo 2^16, that were passed over where a message was found that was not the next one; the first
    /// message of a stream passes over as many as its sequence number says. What was looked at is what lies before
    /// [`Place::begins`] of both sides, without these.
    pub passed_over: u16,
    /// The header of the last message that began.
    pub partial: PartialHeader,
    /// The wanted range of each side's stream. It begins with the message that was read last.
    pub wanted: [SeqRange; 2],
    /// Where messages begin in each side's stream.
    pub place: [Place; 2],
}

impl StreamState {
    /// The initial state.
    pub const EMPTY: Self = Self {
        initial_sequence: [0; 2],
        pieces_sent: 0,
        passed_over: 0,
        partial: PartialHeader::EMPTY,
        wanted: [SeqRange::EMPTY; 2],
        place: [Place::EMPTY; 2],
    };
}

impl Default for StreamState {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The header of a message that may come in several segments, as far as it was seen: enough to decide whether it is evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PartialHeader {
    /// Command: two bytes in SMB 2, the first of them in SMB 1.
    pub command: [u8; 2],
    /// The byte of the flags that says whether it is a response.
    pub flags: u8,
    /// The bytes of the status, joined by OR: 0 of a success.
    pub status: u8,
    /// SMB 2: NextCommand.
    pub next: [u8; 4],
    /// Bytes of the message that were read.
    pub seen: u16,
    /// Identifier byte of the message.
    pub identifier: u8,
    /// The [`Side`] that sent it, from 1 on, as long as it is not known whether it is evidence; then 0. With [`Self::CHAINED`] and
    /// [`Self::ASIDE`].
    pub of: u8,
}

impl PartialHeader {
    /// The bits of [`Self::of`] for the side.
    pub const SIDE: u8 = 3;
    /// The bit of [`Self::of`] for a later message of a compound.
    pub const CHAINED: u8 = 1 << 2;
    /// The bit of [`Self::of`] for a message that was not the next one of its side: it fills a gap, or came before.
    pub const ASIDE: u8 = 1 << 3;

    /// Nothing.
    pub const EMPTY: Self =
        Self { command: [0; 2], flags: 0, status: 0, next: [0; 4], seen: 0, identifier: 0, of: 0 };
}

/// A range of a TCP stream, in sequence numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SeqRange {
    /// First byte.
    pub from: u32,
    /// The byte after the last.
    pub until: u32,
}

impl SeqRange {
    /// Nothing.
    pub const EMPTY: Self = Self { from: 0, until: 0 };
}

/// Where messages begin in one side's stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Place {
    /// Sequence number of the first byte of the next message that was not seen.
    pub next: u32,
    /// A gap in the stream in which messages begin: from the first of them to the message behind the gap. Empty where there is none.
    pub gap: SeqRange,
    /// The bytes of the next message that were seen: less than tell what it is.
    pub header: [u8; 7],
    /// How many there are; with [`Self::CHAINED`].
    pub header_len: u8,
}

impl Place {
    /// The bits of [`Self::header_len`] for the length.
    pub const LENGTH: u8 = 7;
    /// The bit of [`Self::header_len`] that says that the next message is a later one of a compound. The session header in
    /// [`Self::header`] was not seen then: its length is that of the rest of the compound.
    pub const CHAINED: u8 = 1 << 3;

    /// Sequence number of the first byte of the next message, also of one whose beginning was seen.
    #[inline(always)]
    #[must_use]
    pub const fn begins(&self) -> u32 {
        let had = (self.header_len & Self::LENGTH) as u32;
        // The session header of a later message of a compound is not in the stream.
        let not_sent = (self.header_len & Self::CHAINED) as u32 / (Self::CHAINED as u32 / 4);
        self.next.wrapping_sub(had).wrapping_add(not_sent)
    }

    /// Nothing known.
    pub const EMPTY: Self = Self { next: 0, gap: SeqRange::EMPTY, header: [0; 7], header_len: 0 };
}

/// One flow slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Slot {
    /// The fields that every packet touches.
    pub line: FlowLine,
    /// The fields that are written with the first packet and seldom later.
    pub details: FlowDetails,
    /// The rest of IPv6 addresses.
    pub high: AddressesHigh,
    /// The state that never leaves the kernel.
    pub stream: StreamState,
}

/// A record of an IPv4 flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RecordV4 {
    /// First line, with a [`RecordKind`].
    pub line: FlowLine,
    /// Details.
    pub details: FlowDetails,
}

/// A record of an IPv6 flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RecordV6 {
    /// First line, with a [`RecordKind`].
    pub line: FlowLine,
    /// Details.
    pub details: FlowDetails,
    /// The rest of the addresses.
    pub high: AddressesHigh,
}

impl Slot {
    /// The record of an IPv4 flow in this slot.
    #[inline(always)]
    #[must_use]
    pub const fn record_v4(&self, kind: RecordKind) -> RecordV4 {
        RecordV4 { line: FlowLine { kind: kind as u8, ..self.line }, details: self.details }
    }

    /// The record of an IPv6 flow in this slot.
    #[inline(always)]
    #[must_use]
    pub const fn record_v6(&self, kind: RecordKind) -> RecordV6 {
        RecordV6 { line: FlowLine { kind: kind as u8, ..self.line }, details: self.details, high: self.high }
    }
}

const _: () = assert!(size_of::<FlowLine>() == 64);
const _: () = assert!(RECORD_V4_LEN == 88 && RECORD_V6_LEN == 112);
const _: () = assert!(size_of::<Slot>() == 192);
const _: () = assert!(core::mem::offset_of!(Slot, stream) == RECORD_V6_LEN);
// The fields that a first packet writes end with the second line.
const _: () = assert!(RECORD_V6_LEN + core::mem::offset_of!(StreamState, passed_over) + 2 <= 128);
const _: () = assert!(core::mem::offset_of!(FlowLine, local_low) == 8);
const _: () = assert!(core::mem::offset_of!(FlowLine, marks) == 20);
const _: () = assert!(core::mem::offset_of!(FlowLine, packets) == 24);
const _: () = assert!(core::mem::offset_of!(FlowLine, generation) == 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_kinds_survive_the_wire_and_unknown_ones_do_not() {
        for kind in [RecordKind::Opened, RecordKind::Rose, RecordKind::Closed, RecordKind::Settled]
            .into_iter()
            .chain([RecordKind::Replaced, RecordKind::Payload])
        {
            assert_eq!(RecordKind::from_wire(kind as u8), Some(kind));
        }
        assert_eq!(RecordKind::from_wire(0), None);
        assert_eq!(RecordKind::from_wire(7), None);
    }
}
