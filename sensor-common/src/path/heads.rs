//! Heads of HTTP messages, in a connection in which a WebDAV client sent a request.
//!
//! A segment that begins with a head opens a range of its side's stream. The bytes in that range up to the end of the head are
//! handed up; the content of a message stays in the kernel. Another head may begin where one ends.

use core::hint::black_box;

use super::{
    capture::{MESSAGE_START_CAPACITY, least, step},
    place::{NOWHERE, of_side},
};
use crate::{
    bytes::Bytes,
    http::{self, END_OF_HEAD, MAX_HEAD_LEN},
    payload::{Content, MAX_PIECE_LEN, PieceBuffer, PieceKind},
    slot::{SeqRange, Slot, bit, mark},
    smb::PROBE_LEN,
};

/// Bytes that are searched in one look.
const SEARCHED: u32 = 512;

/// 1 if the messages of a connection are those of HTTP: a WebDAV client sent a request, and nobody spoke SMB. Computed without a
/// branch.
#[inline(always)]
pub(super) const fn is_http(slot: &Slot) -> u32 {
    let marks = slot.line.marks as u32;
    let smb = (marks / mark::SMB_FROM_LOCAL as u32) | (marks / mark::SMB_FROM_REMOTE as u32);
    (marks / mark::HTTP as u32) & !smb & 1
}

/// What of a segment is wanted, in this look.
#[inline(always)]
pub(super) fn wanted<B: Bytes>(frame: B, slot: &mut Slot, buffer: &mut PieceBuffer) -> Option<PieceKind> {
    let PieceBuffer { content, piece } = buffer;
    content.then = NOWHERE;
    let offset = content.payload_at.wrapping_add(content.at) as usize;
    let side = usize::from(content.side & 1);
    let sequence = content.sequence.wrapping_add(content.at);
    let there = content.payload.wrapping_sub(content.at);
    // Most segments hold no head: first as little as shows that.
    if !frame.copy::<MESSAGE_START_CAPACITY>(offset, &mut piece.bytes, 0, least(there, PROBE_LEN)) {
        return None;
    }
    let [a, b, c, d, e, f, g, h, ..] = piece.bytes;
    let probe = [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])];
    let begins = content.step != step::REST && there >= PROBE_LEN && http::begins_head(probe);
    if begins {
        slot.stream.wanted[side] = SeqRange { from: sequence, until: sequence.wrapping_add(MAX_HEAD_LEN) };
        slot.line.kind |= of_side(bit::AWAITED, content.side);
        slot.stream.place[side].next = sequence;
        slot.stream.place[side].header = [0; 7];
    } else if !is_awaited(slot, content.side, sequence) {
        return None;
    }
    let have = least(there, SEARCHED);
    if !frame.copy::<MAX_PIECE_LEN>(offset, &mut piece.bytes, 0, have) {
        return None;
    }
    let in_order = slot.stream.place[side].next == sequence;
    let [a, b, c, d, ..] = slot.stream.place[side].header;
    let last = if in_order { u32::from_be_bytes([a, b, c, d]) } else { 0 };
    let last = search(content, &piece.bytes, last, have);
    // The verifier is to forget where the search ended, or it would follow each place.
    let content = black_box(content);
    let searched = content.after;
    if in_order {
        let [a, b, c, d] = last.to_be_bytes();
        slot.stream.place[side].header = [a, b, c, d, 0, 0, 0];
        slot.stream.place[side].next = sequence.wrapping_add(searched);
    }
    if content.step == step::MESSAGE {
        slot.stream.wanted[side].until = sequence.wrapping_add(searched);
        // Parts of a head that are out of order are awaited yet.
        if in_order {
            slot.line.kind &= !of_side(bit::AWAITED, content.side);
        }
    }
    content.then = content.at.wrapping_add(searched);
    piece.head.sequence = sequence;
    piece.head.wanted = searched;
    Some(if begins { PieceKind::HttpHead } else { PieceKind::Continued })
}

/// Whether more of a head is awaited, and this place is in its range. What lies behind the range ends it.
#[inline(always)]
const fn is_awaited(slot: &mut Slot, side: u8, sequence: u32) -> bool {
    let SeqRange { from, until } = slot.stream.wanted[(side & 1) as usize];
    let into = sequence.wrapping_sub(from);
    if slot.line.kind & of_side(bit::AWAITED, side) == 0 {
        return false;
    }
    let is_inside = into < until.wrapping_sub(from);
    if !is_inside && into as i32 >= 0 {
        slot.line.kind &= !of_side(bit::AWAITED, side);
    }
    is_inside
}

/// Searches the end of a head, of which `last` are the four bytes before these. Leaves in the content how many bytes belong to
/// the head, and whether it ends there or goes on. Returns the last four bytes.
#[inline(always)]
fn search(content: &mut Content, bytes: &[u8; MAX_PIECE_LEN], mut last: u32, have: u32) -> u32 {
    content.step = step::REST;
    content.after = have;
    let mut at = 0;
    // Read anew each time, or the compiler would make one bound of both: verifiers before Linux 6.2 know only the constant one.
    while at < SEARCHED && at < *black_box(&content.after) {
        last = last << 8 | bytes[at as usize] as u32;
        at += 1;
        if last == END_OF_HEAD {
            content.step = step::MESSAGE;
            content.after = at;
            break;
        }
    }
    last
}
