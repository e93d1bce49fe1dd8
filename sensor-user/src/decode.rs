//! Records and slots from the kernel to observations.
//!
//! Checked decoding: the first stage of the agent. Takes bytes, gives an [`Observation`] or says what is wrong with
//! them; never trusts a length, a version or an enum value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sensor_common::{
    headers::VLAN_PRESENT,
    payload::{PIECE_HEAD_LEN, PieceHead, PieceKind},
    slot::{
        FlowLine, RECORD_REPLACED_LEN, RECORD_V4_LEN, RECORD_V6_LEN, RECORD_VERSION, RecordKind, Side, Slot,
        TCP, UDP,
    },
};
use thiserror::Error;
use zerocopy::FromBytes;

/// What identifies a conversation: transport and both ends, internal end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    /// IP protocol number.
    pub transport: u8,
    /// Internal end.
    pub local: SocketAddr,
    /// External end.
    pub remote: SocketAddr,
    /// Index of the interface it passes.
    pub ifindex: u32,
}

/// The state of a flow on one CPU, as the kernel told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Flow.
    pub key: FlowKey,
    /// CPU whose slot it is.
    pub cpu: u16,
    /// Which stay in that slot: counts only grow within one, and a settled record ends it.
    pub generation: u32,
    /// Evidence marks, see [`sensor_common::slot::mark`].
    pub marks: u16,
    /// TCP flags seen from internal and external side.
    pub tcp_flags: [u8; 2],
    /// Counts since the flow took its slot or was last settled.
    pub counts: Counts,
    /// Kernel ticks of the first packet.
    pub first: u32,
    /// Kernel ticks of the last packet.
    pub last: u32,
    /// VLAN identifier.
    pub vlan: Option<u16>,
}

/// Packets, bytes and payload of each direction: from the internal side, from the external side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets.
    pub packets: [u64; 2],
    /// Bytes of IP packets.
    pub bytes: [u64; 2],
    /// Bytes of payload.
    pub payload: [u64; 2],
}

impl Counts {
    /// All packets.
    #[must_use]
    pub const fn total_packets(&self) -> u64 {
        self.packets[0] + self.packets[1]
    }

    /// What came since `earlier` counts of the same stay in a slot.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less =
            |now: [u64; 2], then: [u64; 2]| [now[0].saturating_sub(then[0]), now[1].saturating_sub(then[1])];
        Self {
            packets: less(self.packets, earlier.packets),
            bytes: less(self.bytes, earlier.bytes),
            payload: less(self.payload, earlier.payload),
        }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        for side in 0..2 {
            self.packets[side] += other.packets[side];
            self.bytes[side] += other.bytes[side];
            self.payload[side] += other.payload[side];
        }
    }
}

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// News of a flow.
    Flow(RecordKind, Observation),
    /// One flow took the slot of another: the exact counts of that one, and the beginning of this one.
    Replaced(Observation, Observation),
    /// A piece of payload.
    Piece(Piece<'a>),
}

/// A piece of payload that is evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its flow.
    pub key: FlowKey,
    /// Who sent it.
    pub side: Side,
    /// What it is.
    pub kind: PieceKind,
    /// TCP sequence number of its first byte; 0 of a datagram.
    pub sequence: u32,
    /// Bytes that were wanted from there on: of the message, of what is left of it, or of the datagram.
    pub wanted: u32,
    /// Kernel ticks.
    pub at: u32,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// A record that is none.
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
    /// A piece of payload whose head does not fit it.
    #[error("a piece of payload with kind {kind}, side {side} and {captured} bytes captured, {there} there")]
    Piece {
        /// Kind.
        kind: u8,
        /// Side.
        side: u8,
        /// Length by its head.
        captured: u16,
        /// Length that is there.
        there: usize,
    },
    /// Unknown address family, or one that does not fit the length.
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

/// Decodes a record off the ring.
///
/// # Errors
/// [`DecodeError`] for anything that this version of the kernel program does not write.
pub fn record(bytes: &[u8]) -> Result<Told<'_>, DecodeError> {
    let [version, kind, ..] = *bytes else {
        return Err(DecodeError::Length(bytes.len()));
    };
    if version != RECORD_VERSION {
        return Err(DecodeError::Version(version));
    }
    match RecordKind::from_wire(kind).ok_or(DecodeError::Kind(kind))? {
        RecordKind::Payload => piece(bytes).map(Told::Piece),
        RecordKind::Replaced if bytes.len() == RECORD_REPLACED_LEN => {
            let (settled, opened) = bytes.split_at(RECORD_V4_LEN);
            Ok(Told::Replaced(flow(settled)?, flow(opened)?))
        }
        RecordKind::Replaced => Err(DecodeError::Length(bytes.len())),
        kind => Ok(Told::Flow(kind, flow(bytes)?)),
    }
}

/// The state of a flow out of a record.
fn flow(bytes: &[u8]) -> Result<Observation, DecodeError> {
    let slot = match bytes.len() {
        RECORD_V4_LEN => FlowLine::read_from_bytes(bytes).map(|line| Slot { line, ..Slot::default() }).ok(),
        RECORD_V6_LEN => Slot::read_from_bytes(bytes).ok(),
        _ => None,
    }
    .ok_or(DecodeError::Length(bytes.len()))?;
    let expected = if slot.line.family == 4 { RECORD_V4_LEN } else { RECORD_V6_LEN };
    if bytes.len() != expected {
        return Err(DecodeError::Family { family: slot.line.family, length: bytes.len() });
    }
    observation(&slot)
}

/// A piece of payload out of a record.
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
        key: FlowKey {
            transport: head.transport,
            local: SocketAddr::new(address(head.local)?, u16::from_be(head.local_port)),
            remote: SocketAddr::new(address(head.remote)?, u16::from_be(head.remote_port)),
            ifindex: head.ifindex,
        },
        side,
        kind,
        sequence: head.sequence,
        wanted: head.wanted,
        at: head.at,
        bytes,
    })
}

/// Decodes a flow slot.
///
/// # Errors
/// [`DecodeError`] for a slot with an impossible family or transport.
pub fn observation(slot: &Slot) -> Result<Observation, DecodeError> {
    let line = &slot.line;
    if line.transport != TCP && line.transport != UDP {
        return Err(DecodeError::Transport(line.transport));
    }
    let (local, remote) = match line.family {
        4 => (v4(line.local_low), v4(line.remote_low)),
        6 => (v6(slot.wide.local_high, line.local_low), v6(slot.wide.remote_high, line.remote_low)),
        family => {
            return Err(DecodeError::Family { family, length: RECORD_V6_LEN });
        }
    };
    Ok(Observation {
        key: FlowKey {
            transport: line.transport,
            local: SocketAddr::new(local, u16::from_be(line.local_port)),
            remote: SocketAddr::new(remote, u16::from_be(line.remote_port)),
            ifindex: line.ifindex,
        },
        cpu: line.cpu,
        generation: line.generation,
        marks: line.marks,
        tcp_flags: line.tcp_flags,
        counts: Counts {
            packets: line.packets.map(u64::from),
            bytes: line.bytes.map(u64::from),
            payload: line.payload.map(u64::from),
        },
        first: line.first,
        last: line.last,
        vlan: (line.vlan & VLAN_PRESENT != 0).then_some(line.vlan & 0x0FFF),
    })
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
mod tests {
    use zerocopy::IntoBytes;

    use super::*;

    fn line() -> FlowLine {
        FlowLine {
            version: RECORD_VERSION,
            kind: RecordKind::Opened as u8,
            transport: TCP,
            family: 4,
            local_low: u32::from_ne_bytes([10, 0, 0, 2]),
            remote_low: u32::from_ne_bytes([8, 8, 4, 4]),
            local_port: 50_000u16.to_be(),
            remote_port: 445u16.to_be(),
            packets: [1, 0],
            vlan: VLAN_PRESENT | 7,
            ..FlowLine::default()
        }
    }

    #[test]
    fn an_ipv4_record_is_its_first_line() {
        let line = line();
        let Told::Flow(RecordKind::Opened, seen) = record(line.as_bytes()).unwrap() else { panic!() };
        assert_eq!(seen.key.local, "10.0.0.2:50000".parse().unwrap());
        assert_eq!(seen.key.remote, "8.8.4.4:445".parse().unwrap());
        assert_eq!(seen.vlan, Some(7));
        assert_eq!(seen.counts.packets, [1, 0]);
    }

    #[test]
    fn an_ipv6_record_has_both_lines() {
        let octets: [u8; 16] = "fd00:1::2".parse::<Ipv6Addr>().unwrap().octets();
        let words: [u32; 4] =
            std::array::from_fn(|i| u32::from_ne_bytes(octets[i * 4..i * 4 + 4].try_into().unwrap()));
        let mut slot =
            Slot { line: FlowLine { family: 6, local_low: words[3], ..line() }, ..Slot::default() };
        slot.wide.local_high = [words[0], words[1], words[2]];
        let Told::Flow(_, seen) = record(slot.as_bytes()).unwrap() else { panic!() };
        assert_eq!(seen.key.local, "[fd00:1::2]:50000".parse().unwrap());
    }

    #[test]
    fn what_this_kernel_program_does_not_write_is_refused_by_name() {
        let refuse = |line: FlowLine| record(line.as_bytes()).unwrap_err();
        assert_eq!(record(&[]), Err(DecodeError::Length(0)));
        assert_eq!(record(&line().as_bytes()[..63]), Err(DecodeError::Length(63)));
        assert_eq!(refuse(FlowLine { kind: RecordKind::Replaced as u8, ..line() }), DecodeError::Length(64));
        assert_eq!(refuse(FlowLine { version: 9, ..line() }), DecodeError::Version(9));
        assert_eq!(refuse(FlowLine { kind: 0, ..line() }), DecodeError::Kind(0));
        assert_eq!(refuse(FlowLine { transport: 1, ..line() }), DecodeError::Transport(1));
        assert_eq!(refuse(FlowLine { family: 6, ..line() }), DecodeError::Family { family: 6, length: 64 });
        let wide = Slot { line: line(), ..Slot::default() };
        assert_eq!(record(wide.as_bytes()), Err(DecodeError::Family { family: 4, length: 128 }));
    }

    #[test]
    fn a_replaced_record_is_two_flows() {
        let both = [
            FlowLine { kind: RecordKind::Replaced as u8, ..line() },
            FlowLine { local_port: 1u16.to_be(), ..line() },
        ];
        let Told::Replaced(settled, opened) = record(both.as_bytes()).unwrap() else { panic!() };
        assert_eq!((settled.key.local.port(), opened.key.local.port()), (50_000, 1));
    }

    fn head() -> PieceHead {
        PieceHead {
            version: RECORD_VERSION,
            kind: RecordKind::Payload as u8,
            transport: TCP,
            family: 4,
            local: [0, 0, 0, u32::from_ne_bytes([10, 0, 0, 2])],
            remote: [0, 0, 0, u32::from_ne_bytes([8, 8, 4, 4])],
            remote_port: 445u16.to_be(),
            side: 1,
            piece: PieceKind::Message as u8,
            captured: 3,
            wanted: 100,
            sequence: 7,
            ..PieceHead::default()
        }
    }

    fn with_bytes(head: PieceHead, bytes: &[u8]) -> Vec<u8> {
        [head.as_bytes(), bytes].concat()
    }

    #[test]
    fn a_piece_of_payload_says_whose_it_is_and_where_it_belongs() {
        let bytes = with_bytes(head(), b"abc");
        let Told::Piece(piece) = record(&bytes).unwrap() else { panic!() };
        assert_eq!(piece.key.local, "10.0.0.2:0".parse().unwrap());
        assert_eq!((piece.side, piece.kind), (Side::Remote, PieceKind::Message));
        assert_eq!((piece.sequence, piece.wanted, piece.bytes), (7, 100, &b"abc"[..]));
    }

    #[test]
    fn a_piece_that_lies_about_itself_is_refused() {
        let refused = |head: PieceHead, bytes: &[u8]| record(&with_bytes(head, bytes)).is_err();
        assert!(refused(head(), b"ab") && refused(head(), b"abcd") && refused(head(), b""));
        assert!(refused(PieceHead { side: 2, ..head() }, b"abc"));
        assert!(refused(PieceHead { piece: 9, ..head() }, b"abc"));
        assert!(refused(PieceHead { family: 5, ..head() }, b"abc"));
        assert!(refused(PieceHead { transport: 1, ..head() }, b"abc"));
        assert!(record(&with_bytes(head(), b"abc")[..63]).is_err());
    }
}
