//! From records and slots of the kernel to observations.
//!
//! Checked decoding: the first stage of the agent. Takes bytes, gives an [`Observation`] or a [`DecodeError`]; never
//! trusts a length, a version or an enum value.

mod checksum;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sensor_common::{
    headers::VLAN_PRESENT,
    payload::{PIECE_HEAD_LEN, PieceHead, PieceKind},
    slot::{
        CLIENT_IS_LOCAL, CLIENT_IS_REMOTE, FlowLine, RECORD_REPLACED_LEN, RECORD_V4_LEN, RECORD_V6_LEN,
        RECORD_VERSION, RecordKind, RecordV4, RecordV6, Side, Slot, TCP, UDP, bit, content_bit, tcp,
        unfollowed,
    },
};
use sensor_dissect::stream::Checksum;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zerocopy::FromBytes;

use crate::address::{FiveTuple, FlowId};

/// The state of a flow on one CPU, as the kernel wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Flow.
    pub id: FlowId,
    /// CPU whose slot it is.
    pub cpu: u16,
    /// Generation of its stay in that slot: counts only grow within one, and a settled record ends it.
    pub generation: u32,
    /// Evidence marks, see [`sensor_common::slot::mark`].
    pub marks: u16,
    /// TCP flags seen from internal and external side.
    pub tcp_flags: [u8; 2],
    /// Commands that carry content, as far as the kernel saw them in this stay: a message with a WRITE request or a successful READ
    /// response (SMB 2 and 3: MS-SMB2 2.2.21, 2.2.20; SMB 1: MS-CIFS 2.2.4) whose data is no DCE-RPC PDU in a named pipe. It
    /// says nothing about encrypted messages. The rest of a DCE-RPC response that takes several READs looks like content; the
    /// TREE_CONNECT shows whether the tree is a pipe's.
    pub content: Content,
    /// The client, as the headers of SMB messages show it.
    pub client: Option<Side>,
    /// Messages of it that could not be followed.
    pub unfollowed: Unfollowed,
    /// How far its streams were followed. Only a slot shows it, and no record.
    pub followed: Option<StreamProgress>,
    /// Counts since the flow took its slot or was last settled.
    pub counts: Counts,
    /// Kernel ticks of the first packet.
    pub first: u32,
    /// Kernel ticks of the last packet.
    pub last: u32,
    /// VLAN identifier.
    pub vlan: Option<u16>,
}

/// Commands that carry content: READ responses and WRITE requests of SMB 1 (MS-CIFS) and SMB 2/3 (MS-SMB2),
/// without those of pipes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Content was sent from the internal to the external side.
    pub left: bool,
    /// Content was sent from the external to the internal side.
    pub came: bool,
}

impl Content {
    /// Whether there was any.
    #[must_use]
    pub const fn any(self) -> bool {
        self.left || self.came
    }

    /// Adds that of `other`.
    pub const fn add(&mut self, other: Self) {
        self.left |= other.left;
        self.came |= other.came;
    }
}

/// Why messages of a flow may not have been looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfollowed {
    /// They begin in a gap of the stream as this CPU saw it. It may be filled yet, or another CPU may have seen what is missing.
    pub gap: bool,
    /// There were more than are handed up, or no message was where one had to begin.
    pub messages: bool,
}

/// How far one CPU followed the messages of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamProgress {
    /// In the stream of each side.
    pub sides: [Progress; 2],
    /// Bytes of the messages of both sides that were looked at, modulo 2^16.
    pub looked_at: u16,
}

/// How far one CPU followed the messages in a side's stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The sequence number behind the last byte that was seen; 0 if none was.
    pub seen: u32,
    /// The sequence number with which the first message begins that was not looked at. `None` where that is not known.
    pub next: Option<u32>,
    /// It is known that there is such a message: a part of its header was seen, less than tells what it is, or the compound
    /// that it belongs to goes on.
    pub begun: bool,
    /// A message was passed over, in a gap that was not filled.
    pub gap: bool,
    /// The sequence number of the first byte of the stream, if its SYN was seen.
    pub first: Option<u32>,
    /// The sequence number behind the last message that was looked at, also where it is not known any more where the next one begins.
    /// `None` if it never was.
    pub reached: Option<u32>,
}

/// Packets, bytes and payload of each direction: from the internal side, from the external side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Packets.
    pub packets: [u64; 2],
    /// Bytes of IP packets.
    pub bytes: [u64; 2],
    /// Bytes of payload; for TCP by sequence number, each once.
    pub payload: [u64; 2],
    /// Bytes of TCP payload that were retransmitted or arrived after later ones.
    pub retransmitted: [u64; 2],
}

impl Counts {
    /// All packets.
    #[must_use]
    pub const fn total_packets(&self) -> u64 {
        self.packets[0] + self.packets[1]
    }

    /// Whether there was payload.
    #[must_use]
    pub const fn has_payload(&self) -> bool {
        self.payload[0] != 0 || self.payload[1] != 0
    }

    /// The difference to `earlier` counts of the same stay in a slot.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less =
            |now: [u64; 2], then: [u64; 2]| [now[0].saturating_sub(then[0]), now[1].saturating_sub(then[1])];
        Self {
            packets: less(self.packets, earlier.packets),
            bytes: less(self.bytes, earlier.bytes),
            payload: less(self.payload, earlier.payload),
            retransmitted: less(self.retransmitted, earlier.retransmitted),
        }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        for side in 0..2 {
            self.packets[side] += other.packets[side];
            self.bytes[side] += other.bytes[side];
            self.payload[side] += other.payload[side];
            self.retransmitted[side] += other.retransmitted[side];
        }
    }
}

/// The content of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A flow that began, whose evidence rose, that ended or that was settled.
    Flow(RecordKind, Observation),
    /// One flow took the slot of another: the exact counts of the old one, and the record of the new one, which began. That is not
    /// decoded yet: two observations would make every record twice as large.
    Replaced(Observation, &'a [u8]),
    /// A piece of payload.
    Piece(Piece<'a>),
}

/// A piece of payload that is evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its flow.
    pub id: FlowId,
    /// Who sent it.
    pub side: Side,
    /// Its kind.
    pub kind: PieceKind,
    /// TCP sequence number of its first byte; 0 for a datagram.
    pub sequence: u32,
    /// Bytes that were wanted from there: of the message, of its rest, or of the datagram.
    pub wanted: u32,
    /// Kernel ticks.
    pub at: u32,
    /// The bytes.
    pub bytes: &'a [u8],
    /// The checksum of its segment.
    pub checksum: Checksum,
}

/// Why bytes are not a valid record.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Neither an IPv4 nor an IPv6 record.
    #[error("a record of {0} bytes; {RECORD_V4_LEN} or {RECORD_V6_LEN} expected")]
    Length(usize),
    /// Another layout.
    #[error("record version {0}; this agent reads {RECORD_VERSION}")]
    Version(u8),
    /// Unknown kind.
    #[error("record kind {0} is unknown")]
    Kind(u8),
    /// A piece of payload whose header does not match its length.
    #[error("a piece of payload with kind {kind}, side {side} and {captured} bytes captured, {there} there")]
    Piece {
        /// Kind.
        kind: u8,
        /// Side.
        side: u8,
        /// Length in its header.
        captured: u16,
        /// Actual length.
        there: usize,
    },
    /// Unknown address family, or one that does not match the length.
    #[error("address family {family} in a record of {length} bytes")]
    Family {
        /// Family.
        family: u8,
        /// Length.
        length: usize,
    },
    /// Unknown transport.
    #[error("transport protocol {0} is neither TCP nor UDP")]
    Transport(u8),
}

/// Decodes a record from the ring.
///
/// # Errors
/// [`DecodeError`] for anything that this version of the kernel program does not write.
pub fn record(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let [version, kind, ..] = *bytes else {
        return Err(DecodeError::Length(bytes.len()));
    };
    if version != RECORD_VERSION {
        return Err(DecodeError::Version(version));
    }
    match RecordKind::from_wire(kind).ok_or(DecodeError::Kind(kind))? {
        RecordKind::Payload => piece(bytes).map(Record::Piece),
        RecordKind::Replaced if bytes.len() == RECORD_REPLACED_LEN => {
            let (settled, opened) = bytes.split_at(RECORD_V4_LEN);
            Ok(Record::Replaced(flow(settled)?, opened))
        }
        RecordKind::Replaced => Err(DecodeError::Length(bytes.len())),
        kind => Ok(Record::Flow(kind, flow(bytes)?)),
    }
}

/// Kernel ticks of the packet that caused a record, where it says so: a settled flow may have been quiet for long, and a piece
/// of payload has no time.
#[must_use]
pub fn packet_ticks(bytes: &[u8]) -> Option<u32> {
    let record = match RecordKind::from_wire(*bytes.get(1)?)? {
        RecordKind::Opened | RecordKind::Rose | RecordKind::Closed => bytes,
        RecordKind::Replaced => bytes.get(RECORD_V4_LEN..)?,
        RecordKind::Settled | RecordKind::Payload => return None,
    };
    FlowLine::read_from_prefix(record).ok().map(|(line, _)| line.last)
}

/// The state of a flow in a record.
fn flow(bytes: &[u8]) -> Result<Observation, DecodeError> {
    let slot = match bytes.len() {
        RECORD_V4_LEN => RecordV4::read_from_bytes(bytes)
            .map(|RecordV4 { line, details }| Slot { line, details, ..Slot::default() })
            .ok(),
        RECORD_V6_LEN => RecordV6::read_from_bytes(bytes)
            .map(|RecordV6 { line, details, high }| Slot { line, details, high, ..Slot::default() })
            .ok(),
        _ => None,
    }
    .ok_or(DecodeError::Length(bytes.len()))?;
    let expected = if slot.line.family == 4 { RECORD_V4_LEN } else { RECORD_V6_LEN };
    if bytes.len() != expected {
        return Err(DecodeError::Family { family: slot.line.family, length: bytes.len() });
    }
    counted(&slot)
}

/// The piece of payload in a record.
fn piece(bytes: &[u8]) -> Result<Piece<'_>, DecodeError> {
    let (head, bytes) = PieceHead::read_from_prefix(bytes).map_err(|_| DecodeError::Length(bytes.len()))?;
    let bad =
        DecodeError::Piece { kind: head.piece, side: head.side, captured: head.captured, there: bytes.len() };
    let side = match head.side {
        0 => Side::Local,
        1 => Side::Remote,
        _ => return Err(bad),
    };
    let Some(kind) = PieceKind::from_wire(head.piece) else { return Err(bad) };
    if usize::from(head.captured) != bytes.len() || bytes.is_empty() {
        return Err(bad);
    }
    if head.transport != TCP && head.transport != UDP {
        return Err(DecodeError::Transport(head.transport));
    }
    let address = |words: [u32; 4]| match head.family {
        4 => Ok(v4(words[3])),
        6 => Ok(v6([words[0], words[1], words[2]], words[3])),
        family => Err(DecodeError::Family { family, length: PIECE_HEAD_LEN }),
    };
    Ok(Piece {
        id: FlowId {
            tuple: FiveTuple {
                transport: head.transport,
                local: SocketAddr::new(address(head.local)?, u16::from_be(head.local_port)),
                remote: SocketAddr::new(address(head.remote)?, u16::from_be(head.remote_port)),
            },
            ifindex: head.ifindex,
        },
        side,
        kind,
        sequence: head.sequence,
        wanted: head.wanted,
        at: head.at,
        bytes,
        checksum: checksum::of(&head, bytes),
    })
}

/// Decodes a flow slot.
///
/// # Errors
/// [`DecodeError`] for a slot with an impossible family or transport.
pub fn observation(slot: &Slot) -> Result<Observation, DecodeError> {
    let sides = [progress_of(slot, Side::Local), progress_of(slot, Side::Remote)];
    let reached = sides.iter().filter_map(|side| side.reached);
    let until = reached.fold(0_u16, |sum, reached| sum.wrapping_add(reached as u16));
    let looked_at = until.wrapping_sub(slot.stream.passed_over);
    Ok(Observation { followed: Some(StreamProgress { sides, looked_at }), ..counted(slot)? })
}

/// What a record has as well.
fn counted(slot: &Slot) -> Result<Observation, DecodeError> {
    let Slot { line, details, .. } = slot;
    if line.transport != TCP && line.transport != UDP {
        return Err(DecodeError::Transport(line.transport));
    }
    let (local, remote) = match line.family {
        4 => (v4(line.local_low), v4(line.remote_low)),
        6 => (v6(slot.high.local, line.local_low), v6(slot.high.remote, line.remote_low)),
        family => {
            return Err(DecodeError::Family { family, length: RECORD_V6_LEN });
        }
    };
    Ok(Observation {
        id: FlowId {
            tuple: FiveTuple {
                transport: line.transport,
                local: SocketAddr::new(local, u16::from_be(line.local_port)),
                remote: SocketAddr::new(remote, u16::from_be(line.remote_port)),
            },
            ifindex: line.ifindex,
        },
        cpu: details.cpu,
        generation: line.generation,
        marks: line.marks,
        tcp_flags: line.tcp_flags,
        counts: Counts {
            packets: line.packets.map(u64::from),
            bytes: line.bytes.map(u64::from),
            payload: line.payload.map(u64::from),
            retransmitted: details.retransmitted.map(u64::from),
        },
        content: content_of(details.content),
        client: client_of(details.content),
        unfollowed: Unfollowed {
            gap: details.unfollowed
                & (unfollowed::GAP_OF_LOCAL | unfollowed::GAP_OF_REMOTE | unfollowed::GAP_LEFT)
                != 0,
            messages: details.unfollowed & unfollowed::MESSAGES != 0,
        },
        followed: None,
        first: details.first,
        last: line.last,
        vlan: (details.vlan & VLAN_PRESENT != 0).then_some(details.vlan & 0x0FFF),
    })
}

/// How far the stream of a side was followed.
const fn progress_of(slot: &Slot, side: Side) -> Progress {
    let Slot { line, details, stream, .. } = slot;
    let side = side as usize;
    let (kind, place) = (line.kind >> side, &stream.place[side]);
    let is_lost = kind & bit::LOST != 0;
    // Where a gap was given up, what is missing in it is the last that is known of the stream.
    let is_placed = kind & bit::PLACED != 0 || is_lost && details.unfollowed & unfollowed::GAP_LEFT != 0;
    let first = if line.tcp_flags[side] & tcp::SYN != 0 {
        Some(stream.initial_sequence[side].wrapping_add(1))
    } else {
        None
    };
    let next = if is_placed {
        Some(place.begins())
    } else if !is_lost {
        first
    } else {
        None
    };
    // Only a stream in which a place was known has one of its own in its slot.
    let reached = if kind & (bit::PLACED | bit::LOST) != 0 { Some(place.begins()) } else { None };
    let begun = is_placed && place.header_len != 0;
    let gap = details.unfollowed & (unfollowed::GAP_OF_LOCAL << side | unfollowed::GAP_LEFT) != 0;
    Progress { seen: line.next_sequence[side], next, begun, gap, first, reached }
}

/// Which sides sent file content, by their bits.
const fn content_of(bits: u8) -> Content {
    Content {
        left: bits & content_bit(Side::Local as u8) != 0,
        came: bits & content_bit(Side::Remote as u8) != 0,
    }
}

/// The client, unless messages contradict each other.
const fn client_of(bits: u8) -> Option<Side> {
    match bits & (CLIENT_IS_LOCAL | CLIENT_IS_REMOTE) {
        CLIENT_IS_LOCAL => Some(Side::Local),
        CLIENT_IS_REMOTE => Some(Side::Remote),
        _ => None,
    }
}

fn v4(wire: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(wire.to_ne_bytes()))
}

fn v6(high: [u32; 3], low: u32) -> IpAddr {
    let mut octets = [0; 16];
    for (chunk, word) in octets.chunks_exact_mut(4).zip([high[0], high[1], high[2], low]) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    IpAddr::V6(Ipv6Addr::from(octets))
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
