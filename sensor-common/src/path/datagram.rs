//! Datagrams that are evidence.

use super::{
    capture::{MESSAGE_START_CAPACITY, least},
    place::NOWHERE,
};
use crate::{
    bytes::Bytes,
    evidence::MAX_DATAGRAM_LEN,
    payload::{Content, MAX_PIECE_LEN, PieceBuffer, PieceKind},
    slot::Slot,
};

/// Datagrams that a flow may report during one generation, and packets of each side after which no further one is looked at.
const MAX_DATAGRAMS: u32 = 16;
const MAX_DATAGRAMS_SEEN: u32 = 64;

/// Whether a datagram may have to be reported.
#[inline(always)]
pub(super) const fn may_be_wanted(slot: &Slot, content: &Content) -> bool {
    slot.line.packets[(content.side & 1) as usize] <= MAX_DATAGRAMS_SEEN
}

/// What a datagram is: the first of each side says who asks for what. One that follows is wanted if it differs from the one that was
/// handed up last.
#[inline(always)]
pub(super) fn wanted<B: Bytes>(frame: B, slot: &mut Slot, buffer: &mut PieceBuffer) -> Option<PieceKind> {
    let content = &mut buffer.content;
    content.then = NOWHERE;
    buffer.piece.head.wanted = least(content.payload, MAX_DATAGRAM_LEN);
    buffer.piece.head.sequence = 0;
    let side = usize::from(content.side & 1);
    let hash = hash_of(frame, content, &mut buffer.piece.bytes);
    let differs = hash != 0 && hash != slot.stream.initial_sequence[side];
    let is_new =
        slot.line.packets[side] == 1 || differs && u32::from(slot.stream.pieces_sent) < MAX_DATAGRAMS;
    if is_new {
        slot.stream.initial_sequence[side] = hash;
    }
    is_new.then_some(PieceKind::Datagram)
}

/// A hash of the first 80 bytes of a datagram without its identifier, which is another one in each (RFC 1002 4.2.1.1, 4.4.1): both of
/// its names in the datagram service, and the question in the name service. 0 for one that is shorter than a question.
#[inline(always)]
fn hash_of<B: Bytes>(frame: B, content: &Content, bytes: &mut [u8; MAX_PIECE_LEN]) -> u32 {
    const IDENTIFIER: usize = 4;
    const QUESTION: usize = 48;
    const NAMES: usize = 80;
    let have = least(content.payload, NAMES as u32);
    let is_there = frame.copy::<MESSAGE_START_CAPACITY>(content.payload_at as usize, bytes, 0, have);
    if !is_there || have < QUESTION as u32 {
        return 0;
    }
    // What is behind a shorter one is left over from an earlier packet.
    let end = if have < NAMES as u32 { QUESTION } else { NAMES };
    let mut hash = content.payload;
    let mut at = IDENTIFIER;
    while at < NAMES {
        if at < end {
            hash = mixed(hash ^ u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
        }
        at += 4;
    }
    hash
}

#[inline(always)]
const fn mixed(value: u32) -> u32 {
    let product = (value as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (product ^ product >> 32) as u32
}
