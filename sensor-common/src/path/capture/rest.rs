//! Messages that continue in later segments: finds the rest of a message, and the next message of a compound.

use super::{MAX_UNDECIDED, leave, step};
use crate::{
    evidence::{CONTENT, MessageStart, UNDECIDED},
    path::place::{self, known_by, of_side},
    path::{Environment, andx, handover},
    payload::Content,
    slot::{PAST_SET_UP, PartialHeader, Slot, bit, content_bit},
    smb::SMB2,
};

/// Whether more of a message of `side` is awaited of which it is not known yet whether it is evidence.
#[inline(always)]
pub(super) const fn is_undecided(slot: &Slot, side: u8) -> bool {
    slot.line.kind & of_side(bit::AWAITED, side) != 0
        && slot.stream.partial.of & PartialHeader::SIDE == side + 1
}

/// Bytes of a message that is not decided yet that are not in the stream: the session header of a later one of a compound.
#[inline(always)]
pub(super) const fn not_sent(partial: &PartialHeader) -> u32 {
    (partial.of & PartialHeader::CHAINED) as u32
}

/// Where to look first: at the rest of a message that is awaited, unless the segment begins with a message. The slot is in this
/// CPU's memory.
#[inline(always)]
pub fn begin<E: Environment>(env: &mut E, slot: &mut Slot, content: &mut Content) {
    handover::take_over(env, slot, content);
    content.step = step::MESSAGE;
    if content.rpc != 0 && content.opening == 0 {
        content.at = 0;
        return;
    }
    place::locate(env, slot, content);
    if content.at != 0
        && content.place != known_by::AGAIN
        && slot.line.kind & of_side(bit::AWAITED, content.side) != 0
    {
        content.after = content.at;
        // What was sent before is passed over.
        let mut awaited = slot.stream.wanted[usize::from(content.side & 1)].from;
        if is_undecided(slot, content.side) {
            let partial = &slot.stream.partial;
            awaited = awaited.wrapping_add(u32::from(partial.seen)).wrapping_sub(not_sent(partial));
        }
        let before = awaited.wrapping_sub(content.sequence);
        content.at = if before < content.payload { before } else { 0 };
        content.step = step::REST;
    }
}

/// How many bytes are wanted of the rest of a message.
#[inline(always)]
pub(super) fn rest<E: Environment>(
    env: &mut E,
    slot: &mut Slot,
    content: &mut Content,
    start: &MessageStart<'_>,
    undecided: bool,
) -> u32 {
    let awaited_bit = of_side(bit::AWAITED, content.side);
    let range = slot.stream.wanted[usize::from(content.side & 1)];
    let into = content.sequence.wrapping_add(content.at).wrapping_sub(range.from);
    let long = range.until.wrapping_sub(range.from);
    if into >= long {
        // What lies behind the range ends it, not its own last segment: that may be here before others.
        if (into as i32) >= 0 {
            slot.line.kind &= !awaited_bit;
        }
        return 0;
    }
    if !undecided {
        return long - into;
    }
    let not_sent = not_sent(&slot.stream.partial);
    // The header is read in the order in which it was sent.
    if into.wrapping_add(not_sent) != start.into {
        return 0;
    }
    let partial = &mut slot.stream.partial;
    let was_whole = partial.is_whole();
    partial.look(start);
    let mut end =
        partial.wanted(start, long.wrapping_add(not_sent), |at, length| env.of_pipe(start, at, length));
    let began = range.from.wrapping_sub(not_sent);
    if !was_whole && partial.is_whole() {
        go_on_in_compound(env, slot, content, began);
    }
    if end != UNDECIDED {
        let header = slot.stream.partial;
        let length = length_of_undecided(slot, content.side, began);
        andx::begin(content, &header, began, length, end);
    }
    if end == UNDECIDED && u32::from(slot.stream.pieces_sent) < MAX_UNDECIDED {
        return long - into;
    }
    if !slot.stream.partial.is_set_up() {
        slot.details.content |= PAST_SET_UP;
    }
    slot.stream.partial.of = 0;
    if end == CONTENT {
        slot.details.content |= content_bit(content.side);
        end = 0;
    }
    if end == UNDECIDED {
        leave(env, slot);
        end = 0;
    }
    // Of a message behind its end nothing is left, and of one of which nothing is wanted.
    end = end.saturating_sub(not_sent);
    if end <= into {
        slot.line.kind &= !awaited_bit;
        return 0;
    }
    let range = &mut slot.stream.wanted[usize::from(content.side & 1)];
    range.until = range.from.wrapping_add(end);
    end - into
}

/// Goes on behind a message whose header is whole now, and which begins at that sequence number, with the next one of its compound.
#[inline(always)]
pub(super) fn go_on_in_compound<E: Environment>(
    env: &mut E,
    slot: &mut Slot,
    content: &mut Content,
    begins: u32,
) {
    let length = length_of_undecided(slot, content.side, begins);
    if length == 0 {
        let PartialHeader { next, identifier, of, .. } = slot.stream.partial;
        if of & PartialHeader::ASIDE != 0 && identifier == SMB2 && next != [0; 4] {
            leave(env, slot);
        }
        return;
    }
    let next = slot.stream.partial.chained(length);
    if next == 0 {
        return;
    }
    content.place = known_by::NEXT;
    let begins = begins.wrapping_add(next).wrapping_add(4);
    content.then = place::advance_in_compound(slot, content, begins, length - next);
}

/// Length of the message that is not decided yet and begins at that sequence number: it ends where the next one was to begin. 0 where
/// that is not known.
#[inline(always)]
pub(super) const fn length_of_undecided(slot: &Slot, side: u8, begins: u32) -> u32 {
    let place = &slot.stream.place[(side & 1) as usize];
    let is_known = slot.stream.partial.of & PartialHeader::ASIDE == 0
        && place.header_len == 0
        && slot.line.kind & of_side(bit::PLACED, side) != 0;
    if is_known { place.next.wrapping_sub(begins) } else { 0 }
}
