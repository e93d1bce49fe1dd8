//! Where messages begin in the stream of each side.
//!
//! After a SYN, the first message begins with the first byte, and its session header says where the next one begins. In a stream
//! whose beginning was not seen, and behind a gap, the first payload that begins like a message shows the place. Bytes inside a
//! message that only look like another message are content.

use super::Environment;
use crate::{
    counter::Counter,
    evidence::{MAX_MESSAGE_LEN, MessageStart},
    flow::Packet,
    payload::Content,
    slot::{PAST_SET_UP, Place, SeqRange, Slot, bit, mark, tcp, unfollowed},
};

/// [`Content::at`] where nothing is to be looked at.
pub(super) const NOWHERE: u32 = u32::MAX;

/// How the place of a message is known, in [`Content::place`].
pub(super) mod known_by {
    /// It is the next one of its side.
    pub(crate) const NEXT: u8 = 0;
    /// It is the one that was looked at last, sent again.
    pub(crate) const AGAIN: u8 = 1;
    /// It fills a gap.
    pub(crate) const IN_GAP: u8 = 2;
    /// Where it begins was not seen yet: the packet may hold a later part of it.
    pub(crate) const AHEAD: u8 = 3;
}

/// No message is that long (MS-SMB2 2.1): what is said to begin further away lies before the packet.
const FARTHEST: u32 = 1 << 25;

/// So many bytes behind a gap it is given up: what is missing in it does not come any more.
const WIDEST_GAP: u32 = 1 << 20;

/// The bit for `side`.
#[inline(always)]
pub(super) const fn of_side(bit: u8, side: u8) -> u8 {
    bit << (side & 1)
}

/// Not 0 if a message may begin in the payload, or the one that began last is in it again.
#[inline(always)]
pub(super) fn may_begin(content: &Content, slot: &Slot, opaque_zero: u32) -> u32 {
    let side = (content.side & 1) as usize;
    let kind = (slot.line.kind >> side) as u32;
    let placed = (kind / bit::PLACED as u32) & 1;
    let unlooked = !(kind / bit::LOST as u32) & 1;
    let opaque_zero = opaque_zero as u64;
    let less = |a: u64, b: u64| (a.wrapping_sub(b).wrapping_add(opaque_zero) >> 63) as u32;
    let next = slot.stream.place[side].next.wrapping_sub(content.sequence);
    let last = slot.stream.wanted[side].from.wrapping_sub(content.sequence);
    // What is behind the next message lies less than 2^31 bytes behind it.
    let here =
        less(next as i32 as i64 as u64, content.payload as u64) | less(last as u64, content.payload as u64);
    let opens = less(0, content.opening as u64);
    placed & here | (1 - placed) & (unlooked | opens)
}

/// Whether no message begins in a packet that does not begin as one does, and none is awaited: [`may_begin`] and what is awaited, with
/// branches, for a packet of TCP.
#[inline(always)]
pub(super) const fn is_within_message(slot: &Slot, packet: &Packet) -> bool {
    if packet.payload == 0 {
        return true;
    }
    if slot.line.marks & (mark::HTTP | mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE) == mark::HTTP {
        return false;
    }
    let side = packet.side as usize & 1;
    let kind = slot.line.kind >> side;
    if kind & (bit::AWAITED | bit::GAP) != 0 {
        return false;
    }
    if kind & bit::PLACED == 0 {
        return kind & bit::LOST != 0;
    }
    let next = slot.stream.place[side].next.wrapping_sub(packet.sequence);
    let last = slot.stream.wanted[side].from.wrapping_sub(packet.sequence);
    next as i32 as i64 >= packet.payload as i64 && last >= packet.payload
}

/// Whether the stream of `side` was seen from its SYN on, and nothing of it was looked at.
#[inline(always)]
const fn is_untouched(slot: &Slot, side: u8) -> bool {
    slot.line.tcp_flags[(side & 1) as usize] & tcp::SYN != 0 && slot.line.kind & of_side(bit::LOST, side) == 0
}

impl Content {
    /// Whether the payload holds the byte with this sequence number.
    #[inline(always)]
    pub(super) const fn holds(&self, sequence: u32) -> bool {
        sequence.wrapping_sub(self.sequence) < self.payload
    }
}

/// Finds where in the payload the first message begins, if one does.
#[inline(always)]
pub(super) fn locate<E: Environment>(env: &mut E, slot: &mut Slot, content: &mut Content) {
    let side = (content.side & 1) as usize;
    content.at = NOWHERE;
    content.place = known_by::NEXT;
    if slot.line.kind & of_side(bit::PLACED, content.side) == 0 {
        let mut next = content.sequence;
        if is_untouched(slot, content.side) {
            let first = slot.stream.initial_sequence[side].wrapping_add(1);
            // The rest of a flow whose SYN was another one's: what begins as a message does is one.
            if content.holds(first) || content.opening == 0 {
                next = first;
                content.first = 1;
            }
        }
        let is_known = content.first | content.opening != 0;
        if !is_known && slot.line.kind & of_side(bit::LOST, content.side) != 0 {
            return;
        }
        begin(slot, content.side, next);
        if !is_known {
            lose(slot, content.side);
            return;
        }
    }
    let ahead = slot.stream.place[side].next.wrapping_sub(content.sequence);
    if slot.line.kind & of_side(bit::GAP, content.side) != 0
        && content.sequence.wrapping_sub(slot.stream.place[side].gap.from) as i32 > WIDEST_GAP as i32
    {
        leave_gap(slot, content.side);
    }
    // The message that was looked at last, which may say another length this time.
    let again = ahead != 0 && content.opening != 0 && content.sequence == slot.stream.wanted[side].from;
    if again {
        content.at = 0;
        content.place = known_by::AGAIN;
    } else if ahead < content.payload {
        content.at = ahead;
    } else if ahead > FARTHEST {
        behind_gap(env, slot, content, ahead.wrapping_neg());
    } else {
        let Place { gap, .. } = slot.stream.place[side];
        if slot.line.kind & of_side(bit::GAP, content.side) != 0 && content.holds(gap.from) {
            content.at = gap.from.wrapping_sub(content.sequence);
            content.place = known_by::IN_GAP;
        } else if content.holds(slot.stream.wanted[side].from) {
            content.at = slot.stream.wanted[side].from.wrapping_sub(content.sequence);
            content.place = known_by::AGAIN;
        }
    }
}

/// Knows from now on that the next message of `side` begins there; what lies between is passed over. Out of line: it is a rare part
/// of the path.
#[inline(never)]
pub(super) const fn begin(slot: &mut Slot, side: u8, next: u32) {
    // Until a place was known in this stream, that of an earlier tenant is there.
    let had_place = slot.line.kind & of_side(bit::PLACED | bit::LOST, side) != 0;
    let was = if had_place { slot.stream.place[(side & 1) as usize].begins() } else { 0 };
    slot.stream.passed_over = slot.stream.passed_over.wrapping_add(next.wrapping_sub(was) as u16);
    slot.line.kind &= !of_side(bit::LOST | bit::GAP, side);
    slot.line.kind |= of_side(bit::PLACED, side);
    slot.stream.place[(side & 1) as usize] = Place { next, ..Place::EMPTY };
    slot.stream.wanted[(side & 1) as usize] = SeqRange { from: next, until: next };
}

/// A packet whose payload begins `far` behind the next message. If it is near enough to be a part of that, it is handed up: segments
/// may be out of order. Only during the set-up of a session, for later it might be file content.
#[inline(always)]
fn behind_gap<E: Environment>(env: &mut E, slot: &mut Slot, content: &mut Content, far: u32) {
    let side = (content.side & 1) as usize;
    content.first = 0;
    let open = of_side(unfollowed::GAP_OF_LOCAL, content.side);
    if slot.details.unfollowed & open == 0 {
        slot.details.unfollowed |= open;
        env.count(Counter::Unfollowed, 1);
    }
    let Place { next, header_len, .. } = slot.stream.place[side];
    if content.opening != 0 {
        // One gap is remembered; of a header that was begun before it the rest would have to be in it.
        let another = slot.line.kind & of_side(bit::GAP, content.side) != 0;
        let remembered = far <= WIDEST_GAP && !another && header_len == 0;
        begin(slot, content.side, content.sequence);
        if remembered {
            slot.line.kind |= of_side(bit::GAP, content.side);
            slot.stream.place[side].gap = SeqRange { from: next, until: content.sequence };
        } else {
            slot.details.unfollowed |= unfollowed::GAP_LEFT;
        }
        content.at = 0;
    } else if far < MAX_MESSAGE_LEN && slot.details.content & PAST_SET_UP == 0 {
        content.at = 0;
        content.place = known_by::AHEAD;
    } else if far > WIDEST_GAP {
        slot.details.unfollowed |= unfollowed::GAP_LEFT;
        lose(slot, content.side);
    }
}

/// Goes on behind a message that ends with the sequence number `end`, and says where in the payload.
#[inline(always)]
pub(super) const fn advance(slot: &mut Slot, content: &mut Content, end: u32) -> u32 {
    let side = (content.side & 1) as usize;
    let place = &mut slot.stream.place[side];
    match content.place {
        known_by::IN_GAP => {
            let filled = end.wrapping_sub(place.gap.from);
            slot.stream.passed_over = slot.stream.passed_over.wrapping_sub(filled as u16);
            place.gap.from = end;
            if end == place.gap.until {
                slot.line.kind &= !of_side(bit::GAP, content.side);
                slot.details.unfollowed &= !of_side(unfollowed::GAP_OF_LOCAL, content.side);
                return NOWHERE;
            }
            if place.gap.until.wrapping_sub(end) > FARTHEST {
                leave_gap(slot, content.side);
                return NOWHERE;
            }
        }
        known_by::AGAIN => {
            // The same message with a shorter length: the receiver takes either of both.
            let next = place.next.wrapping_sub((place.header_len & Place::LENGTH) as u32);
            content.place = known_by::NEXT;
            if end == next && place.header_len == 0 {
                return end.wrapping_sub(content.sequence);
            }
            if end.wrapping_sub(next) <= FARTHEST {
                return NOWHERE;
            }
            place.next = end;
            place.header_len = 0;
        }
        _ => {
            place.next = end;
            place.header_len = 0;
            // No byte behind it was seen yet, so nothing that begins there was passed by.
            let ahead = end.wrapping_sub(slot.line.next_sequence[side]) as i32 >= 0;
            if ahead && slot.line.kind & of_side(bit::GAP, content.side) == 0 {
                slot.details.unfollowed &= !of_side(unfollowed::GAP_OF_LOCAL, content.side);
            }
        }
    }
    end.wrapping_sub(content.sequence)
}

/// Goes on with a later message of a compound, which begins with the sequence number `begins` and has `length` bytes to the end of
/// the compound, four for a session header among them. Says where in the payload it is, or [`NOWHERE`] if it is to be left out.
#[inline(always)]
pub(super) const fn advance_in_compound(
    slot: &mut Slot,
    content: &mut Content,
    begins: u32,
    length: u32,
) -> u32 {
    let at = begins.wrapping_sub(content.sequence);
    if content.place == known_by::NEXT {
        let [_, high, middle, low] = length.wrapping_sub(4).to_be_bytes();
        let place = &mut slot.stream.place[(content.side & 1) as usize];
        place.next = begins;
        place.header = [0, high, middle, low, 0, 0, 0];
        place.header_len = Place::CHAINED | 4;
    } else if at < content.payload {
        content.chained = length;
    } else {
        return NOWHERE;
    }
    at
}

/// Keeps the bytes of the next message that a packet ends with: less than tell what it is.
#[inline(always)]
pub(super) fn keep_header(slot: &mut Slot, content: &Content, start: &MessageStart<'_>) {
    match content.place {
        known_by::NEXT => {
            let place = &mut slot.stream.place[usize::from(content.side & 1)];
            place.header.copy_from_slice(&start.bytes[..7]);
            let length = (start.into + start.have) as u8 & Place::LENGTH;
            place.header_len = place.header_len & Place::CHAINED | length;
            place.next = content.sequence.wrapping_add(content.payload);
        }
        known_by::IN_GAP => leave_gap(slot, content.side),
        _ => {}
    }
}

/// Looks for what is missing in a gap no longer.
#[inline(always)]
pub(super) const fn leave_gap(slot: &mut Slot, side: u8) {
    slot.line.kind &= !of_side(bit::GAP, side);
    slot.details.unfollowed |= unfollowed::GAP_LEFT;
}

/// Does not know any more where messages of `side` begin.
#[inline(always)]
pub(super) const fn lose(slot: &mut Slot, side: u8) {
    slot.line.kind &= !of_side(bit::PLACED | bit::GAP, side);
    slot.line.kind |= of_side(bit::LOST, side);
}
