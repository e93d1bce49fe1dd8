//! Decides how many bytes are wanted where a message, a DCE-RPC unit or something else begins.

use super::{CHAINED_MESSAGE, MAX_UNDECIDED, forgotten, least, leave, open, rest::is_undecided, step};
use crate::{
    evidence::{
        self, CONTENT, HEADER_FIELDS_LEN, MAX_MESSAGE_LEN, MessageStart, SESSION_REQUEST_LEN, UNDECIDED,
    },
    path::decide::{message_mark, smb_from},
    path::place::{self, NOWHERE, known_by, of_side},
    path::{Environment, andx},
    payload::{Content, PieceKind},
    slot::{CLIENT_IS_LOCAL, PAST_SET_UP, PartialHeader, SeqRange, Slot, bit, content_bit},
    smb::{self, Framed, SMB1, SMB2},
};

/// How many bytes are wanted of a DCE-RPC unit that begins the payload. Where none does, a rest may.
#[inline(always)]
pub(super) fn unit(slot: &mut Slot, content: &mut Content, start: &MessageStart<'_>) -> u32 {
    let wanted = evidence::of_rpc(start);
    if wanted != 0 {
        let range = SeqRange { from: content.sequence, until: content.sequence.wrapping_add(wanted) };
        open(slot, content, range, content.payload >= wanted);
    } else if slot.line.kind & of_side(bit::AWAITED, content.side) != 0 {
        content.step = step::REST;
        content.then = 0;
        content.after = NOWHERE;
    }
    wanted
}

/// How many bytes are wanted of the message that is to begin there, and as what.
#[inline(always)]
pub(super) fn message<E: Environment>(
    env: &mut E,
    slot: &mut Slot,
    content: &mut Content,
    start: &MessageStart<'_>,
    chained: bool,
) -> (PieceKind, u32) {
    let side = content.side;
    let there = content.payload.wrapping_sub(content.at);
    let begins = content.sequence.wrapping_add(content.at).wrapping_sub(start.into);
    let mut partial = PartialHeader::EMPTY;
    let found = match smb::framed(start.probe(), start.into + start.have) {
        Framed::Message(identifier, _) if chained && identifier != SMB2 => {
            return no_compound(env, slot, content, start);
        }
        Framed::Not if chained => return no_compound(env, slot, content, start),
        Framed::Early => {
            place::keep_header(slot, content, start);
            // Where later bytes of it came before, no packet with the rest of its header follows that they could be handed up with.
            let seen = slot.line.next_sequence[usize::from(side & 1)];
            let behind = seen.wrapping_sub(content.sequence.wrapping_add(content.payload)) as i32;
            let is_last = start.into == 0 && behind > 0 && slot.details.content & PAST_SET_UP == 0;
            return (PieceKind::Message, if is_last { there + 1 } else { 0 });
        }
        Framed::Not => return (PieceKind::FirstPayload, no_message(env, slot, content, start)),
        Framed::SessionRequest(length) => (SESSION_REQUEST_LEN, length),
        Framed::SessionPacket(length) => (0, length),
        Framed::Message(identifier, length) => {
            slot.line.marks |= message_mark(identifier, side);
            let mut wanted = 0;
            if identifier != SMB1 && identifier != SMB2 {
            } else if start.into + start.have >= HEADER_FIELDS_LEN {
                partial = PartialHeader::whole(identifier, start);
                let client = if partial.is_reply() { side ^ 1 } else { side };
                slot.details.content |= CLIENT_IS_LOCAL << (client & 1);
                wanted = partial.wanted(start, least(length, MAX_MESSAGE_LEN), |at, length| {
                    env.of_pipe(start, at, length)
                });
            } else if length >= HEADER_FIELDS_LEN {
                partial.identifier = identifier;
                partial.look(start);
                wanted = UNDECIDED;
            }
            if !partial.is_set_up() {
                slot.details.content |= PAST_SET_UP;
            }
            content.chained = partial.chained(length);
            (wanted, length)
        }
    };
    (content.then, content.after) = found;
    let content = forgotten(content);
    let (mut wanted, length, next) = (content.then, content.after, content.chained);
    content.chained = 0;
    let aside = if content.place == known_by::NEXT { 0 } else { PartialHeader::ASIDE };
    let after = if next == 0 && chained && content.place == known_by::AGAIN {
        // Behind it is what was not seen yet.
        content.place = known_by::NEXT;
        slot.stream.place[usize::from(side & 1)].next.wrapping_sub(content.sequence)
    } else if next == 0 {
        place::advance(slot, content, begins.wrapping_add(length))
    } else {
        let begins = begins.wrapping_add(next).wrapping_add(4);
        let then = place::advance_in_compound(slot, content, begins, length.wrapping_sub(next));
        if then == NOWHERE {
            leave_compound(
                env,
                slot,
                content,
                begins.wrapping_add(length).wrapping_sub(next).wrapping_sub(4),
            );
        }
        then
    };
    content.then = after;
    // What is not in the stream is not handed up.
    let not_sent = if chained { 4 } else { 0 };
    content.before = start.into.wrapping_sub(not_sent) as u8;
    if wanted != UNDECIDED && (content.before == 0 || wanted == 0) {
        andx::begin(content, &partial, begins, length, wanted);
    }
    if wanted == CONTENT {
        slot.details.content |= content_bit(side);
        wanted = 0;
    }
    let mut undecided = wanted == UNDECIDED;
    if undecided {
        wanted = least(length, MAX_MESSAGE_LEN);
        if u32::from(slot.stream.pieces_sent) >= MAX_UNDECIDED {
            leave(env, slot);
            (undecided, wanted) = (false, 0);
        }
    }
    let complete = !undecided && start.into + there >= wanted;
    let is_split = content.before != 0 && wanted != 0;
    // A message that is whole leaves alone what is still awaited of the one before it.
    let leaves = complete && !is_split && (content.at != 0 || content.place == known_by::IN_GAP);
    // Nor does one of which nothing is wanted, or one inside a compound, take the place of the one before it, of which another
    // reading may come.
    let stays = leaves && (wanted == 0 || chained || slot.line.kind & of_side(bit::AWAITED, side) != 0);
    if !stays {
        let from = begins.wrapping_add(not_sent);
        let until = if wanted == 0 { from } else { begins.wrapping_add(wanted) };
        open(slot, content, SeqRange { from, until }, complete && !is_split);
    }
    if undecided {
        // There is room for one header: a message of the other side that is not decided yet is given up.
        if is_undecided(slot, side ^ 1) {
            slot.line.kind &= !of_side(bit::AWAITED, side ^ 1);
            leave(env, slot);
        }
        let chained = if chained { PartialHeader::CHAINED } else { 0 };
        slot.stream.partial = PartialHeader { of: (side + 1) | chained | aside, ..partial };
    }
    if is_split {
        // What earlier packets held of it is handed up first, then what is here.
        if undecided {
            slot.stream.partial.seen = start.into as u16;
        }
        content.step = step::REST;
        content.after = content.then;
        content.then = content.at;
    } else {
        content.before = 0;
    }
    if chained {
        return (PieceKind::Chained, wanted.saturating_sub(4));
    }
    (PieceKind::Message, wanted)
}

/// What is to be the next message of a compound is none: nothing more of the compound is read.
#[inline(always)]
fn no_compound<E: Environment>(
    env: &mut E,
    slot: &mut Slot,
    content: &mut Content,
    start: &MessageStart<'_>,
) -> (PieceKind, u32) {
    leave(env, slot);
    let length = u32::from_be(start.probe()[0]).wrapping_add(4);
    let begins = content.sequence.wrapping_add(content.at).wrapping_sub(start.into);
    content.then = place::advance(slot, content, begins.wrapping_add(length));
    (PieceKind::Chained, 0)
}

/// The rest of a compound lies in another packet than a message of it that was sent again or fills a gap. Sent again, it was read
/// before; in a gap it is not read, and the gap goes on with the sequence number `end`.
#[inline(always)]
fn leave_compound<E: Environment>(env: &mut E, slot: &mut Slot, content: &mut Content, end: u32) {
    if content.place == known_by::IN_GAP {
        leave(env, slot);
        place::advance(slot, content, end);
    }
}

/// What is there is no message. How many bytes of it are wanted: the first of a stream show what else is spoken.
#[inline(always)]
fn no_message<E: Environment>(
    env: &mut E,
    slot: &mut Slot,
    content: &mut Content,
    start: &MessageStart<'_>,
) -> u32 {
    let side = content.side;
    match content.place {
        known_by::IN_GAP => place::leave_gap(slot, side),
        known_by::AGAIN if start.probe()[0] != CHAINED_MESSAGE => leave(env, slot),
        // A later message of a compound begins without a session header.
        known_by::AGAIN => {
            let SeqRange { from, until } = slot.stream.wanted[usize::from(side & 1)];
            if until != from {
                content.chained = until.wrapping_sub(from).wrapping_add(4);
                content.then = content.at;
            }
        }
        known_by::NEXT => {
            place::lose(slot, side);
            if content.at == 0 {
                slot.line.kind &= !of_side(bit::AWAITED, side);
            }
            if content.first != 0 && start.into == 0 {
                return least(content.payload.wrapping_sub(content.at), evidence::of_first_payload(start));
            }
            if slot.line.marks & smb_from(side) != 0 {
                leave(env, slot);
            }
        }
        _ => {}
    }
    0
}
