//! Pieces of payload on the ring, from which the agent reads evidence.
//!
//! A piece names its flow and its place in the stream, so that the agent can join messages of several segments. Only
//! messages that are evidence are sent ([`evidence`](crate::evidence)), never file contents.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::slot::Address;

/// Most bytes of payload in a piece; a power of two.
pub const MAX_PIECE_LEN: usize = 4096;

/// The kind of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PieceKind {
    /// It begins with a message behind a NetBIOS session header (RFC 1002 4.3.1, MS-SMB2 2.1).
    Message = 1,
    /// It continues an earlier message.
    Continued = 2,
    /// It begins with a DCE-RPC PDU (C706 12.6.1), as on the endpoint mapper's port.
    Rpc = 3,
    /// The beginning of a datagram.
    Datagram = 4,
    /// The first bytes that a side of a TCP connection sent, where they begin no message.
    FirstPayload = 5,
    /// It begins with a later message of a compound, which has no session header of its own (MS-SMB2 3.2.4.1.4).
    Chained = 6,
    /// A datagram that begins with a client Initial packet of QUIC (RFC 9000 17.2.2). It belongs to no slot.
    QuicInitial = 7,
    /// It begins with the head of an HTTP message (RFC 9112 2.1).
    HttpHead = 8,
}

impl PieceKind {
    /// Reads a kind from the ring.
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Message),
            2 => Some(Self::Continued),
            3 => Some(Self::Rpc),
            4 => Some(Self::Datagram),
            5 => Some(Self::FirstPayload),
            6 => Some(Self::Chained),
            7 => Some(Self::QuicInitial),
            8 => Some(Self::HttpHead),
            _ => None,
        }
    }
}

/// The header of a piece. Integers are in the machine's order; addresses and ports are in wire order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct PieceHead {
    /// [`RECORD_VERSION`](crate::slot::RECORD_VERSION).
    pub version: u8,
    /// [`RecordKind::Payload`](crate::slot::RecordKind::Payload).
    pub kind: u8,
    /// IP protocol.
    pub transport: u8,
    /// 4 or 6.
    pub family: u8,
    /// Interface index.
    pub ifindex: u32,
    /// Internal address.
    pub local: Address,
    /// External address.
    pub remote: Address,
    /// Internal port.
    pub local_port: u16,
    /// External port.
    pub remote_port: u16,
    /// The [`Side`](crate::slot::Side) that sent it.
    pub side: u8,
    /// A [`PieceKind`].
    pub piece: u8,
    /// Bytes that follow.
    pub captured: u16,
    /// Bytes that were wanted: of the message or datagram, or of its rest.
    pub wanted: u32,
    /// TCP sequence number of the first byte; 0 for a datagram.
    pub sequence: u32,
    /// Kernel ticks.
    pub at: u32,
    /// Generation of the flow in its slot.
    pub generation: u32,
    /// Bytes of the TCP segment, its header included, if the piece holds all of its payload; otherwise 0.
    pub segment_len: u16,
    /// Then the one's complement sum of its header, with the checksum, in the machine's order.
    pub header_sum: u16,
    /// And its checksum, as it is in the packet.
    pub checksum: u16,
    /// Zero.
    pub reserved: u16,
}

impl PieceHead {
    /// All zero.
    pub const EMPTY: Self = Self {
        version: 0,
        kind: 0,
        transport: 0,
        family: 0,
        ifindex: 0,
        local: [0; 4],
        remote: [0; 4],
        local_port: 0,
        remote_port: 0,
        side: 0,
        piece: 0,
        captured: 0,
        wanted: 0,
        sequence: 0,
        at: 0,
        generation: 0,
        segment_len: 0,
        header_sum: 0,
        checksum: 0,
        reserved: 0,
    };
}

/// Bytes of a [`PieceHead`].
pub const PIECE_HEAD_LEN: usize = 72;

/// A piece.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Piece {
    /// Its header.
    pub head: PieceHead,
    /// Its bytes, [`PieceHead::captured`] of them.
    pub bytes: [u8; MAX_PIECE_LEN],
}

/// What the path knows about a packet's payload, and how far it has looked at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct Content {
    /// The [`Side`](crate::slot::Side) that sent it.
    pub side: u8,
    /// What the payload begins with: the identifier byte of an SMB message, [`SESSION_REQUEST`], or 0.
    pub opening: u8,
    /// Not 0: the packet is to or from the endpoint mapper.
    pub rpc: u8,
    /// What is to be done at [`at`](Self::at).
    pub step: u8,
    /// The flow's slot among those of this CPU.
    pub slot: u32,
    /// Bytes of payload.
    pub payload: u32,
    /// TCP sequence number of the first of them.
    pub sequence: u32,
    /// Offset of the payload in the frame.
    pub payload_at: u32,
    /// Offset in the payload of what is looked at.
    pub at: u32,
    /// Offset in the payload of what is to be looked at then.
    pub then: u32,
    /// Offset of what is to be looked at behind the rest of a message.
    pub after: u32,
    /// How the place of the message that begins at [`at`](Self::at) is known.
    pub place: u8,
    /// Not 0: nothing of this side's stream was looked at before.
    pub first: u8,
    /// Bytes of the message's header that earlier segments held.
    pub before: u8,
    /// Looks that were taken.
    pub looks: u8,
    /// Bytes from a later message of a compound on to the end of the compound, and four for a session header, if such a message
    /// is to be looked at; otherwise 0.
    pub chained: u32,
    /// Of a chain of SMB 1 commands that is looked at: where in the payload its message begins, and the length of that.
    pub message: u32,
    /// See [`Self::message`].
    pub length: u32,
    /// Offset of the next command in the message.
    pub block: u16,
    /// The code of the next command.
    pub command: u8,
    /// What is known of the message, in bits.
    pub answers: u8,
    /// Offset of the transport header in the frame.
    pub segment_at: u32,
    /// Bytes of the start of a message that were copied.
    pub have: u16,
    /// Where they lie in the message.
    pub into: u16,
    /// What is known of that message, in bits.
    pub known: u32,
}

impl Content {
    /// Nothing.
    pub const EMPTY: Self = Self {
        side: 0,
        opening: 0,
        rpc: 0,
        step: 0,
        slot: 0,
        payload: 0,
        sequence: 0,
        payload_at: 0,
        at: 0,
        then: 0,
        after: 0,
        place: 0,
        first: 0,
        before: 0,
        looks: 0,
        chained: 0,
        message: 0,
        length: 0,
        block: 0,
        command: 0,
        answers: 0,
        segment_at: 0,
        have: 0,
        into: 0,
        known: 0,
    };
}

/// [`Content::opening`] of a NetBIOS session request (RFC 1002 4.3.1).
pub const SESSION_REQUEST: u8 = 0x81;

/// The buffer in which a piece is built. It is not on the stack, which is small in a kernel program. The verifier knows
/// nothing about values read from here, so it follows one path and not one for every value.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PieceBuffer {
    /// The packet's payload, as input.
    pub content: Content,
    /// The piece.
    pub piece: Piece,
}

impl PieceBuffer {
    /// An empty buffer.
    pub const EMPTY: Self =
        Self { content: Content::EMPTY, piece: Piece { head: PieceHead::EMPTY, bytes: [0; MAX_PIECE_LEN] } };
}

const _: () = assert!(size_of::<PieceHead>() == PIECE_HEAD_LEN);
const _: () = assert!(size_of::<Piece>() == PIECE_HEAD_LEN + MAX_PIECE_LEN);
const _: () = assert!(MAX_PIECE_LEN.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_kinds_survive_the_wire_and_unknown_ones_do_not() {
        for kind in [PieceKind::Message, PieceKind::Continued, PieceKind::Rpc].into_iter().chain([
            PieceKind::Datagram,
            PieceKind::FirstPayload,
            PieceKind::Chained,
            PieceKind::QuicInitial,
            PieceKind::HttpHead,
        ]) {
            assert_eq!(PieceKind::from_wire(kind as u8), Some(kind));
        }
        assert_eq!(PieceKind::from_wire(0), None);
        assert_eq!(PieceKind::from_wire(9), None);
    }
}
