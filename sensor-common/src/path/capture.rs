//! Payload that is evidence, on its way to the agent.
//!
//! Takes a packet that was accounted to its slot. A message that is wanted opens a stretch of its side's stream, and
//! every segment that lies in that stretch is told, in whatever order and however often it comes, until a segment comes that
//! lies behind it or begins a message: joining them is the agent's. Of a message whose header comes in several segments these
//! are told, in their order, until the header tells. Apart from the rest of the path: no other packet pays for it.

use super::{Environment, account};
use crate::{
    bytes::{Bytes, OFFSET_MASK},
    counter::Counter,
    evidence::{self, CONTENT, GLIMPSE, Glimpse, LONGEST_DATAGRAM, SESSION_REQUEST_LEN, UNDECIDED},
    payload::{Content, MOST_OF_PIECE, PieceHead, PieceKind, Room, SESSION_REQUEST},
    slot::{PartialHeader, RECORD_VERSION, RecordKind, SeqRange, Slot, TCP, UDP, content_bit},
    smb::{SMB1, SMB2},
};

/// Pieces that a flow may tell during one generation: enough for a hundred logons, and an end for whoever makes more.
pub const MOST_PIECES: u32 = 512;

/// Of these, pieces of messages of which it is not known yet whether they are evidence.
const MOST_UNDECIDED: u32 = MOST_PIECES / 2;

/// A glimpse lies in a piece as it does in its message. No message is undecided behind this many bytes, and no glimpse longer.
const ROOM_OF_GLIMPSE: usize = 256;

/// Whether the payload may have to be told.
#[inline(always)]
pub(super) const fn is_called_for(content: &Content, slot: &Slot) -> bool {
    let begins = content.opening | content.rpc != 0;
    content.payload != 0
        && (begins
            || slot.line.kind & bit(content.side) != 0
            || slot.line.transport == UDP && first_of(slot, content))
}

/// Whether it is the first packet of its side: of datagrams, no other says anything new.
#[inline(always)]
const fn first_of(slot: &Slot, content: &Content) -> bool {
    slot.line.packets[(content.side & 1) as usize] == 1
}

/// The bit in a slot's `kind` that says that more is awaited from `side`.
#[inline(always)]
const fn bit(side: u8) -> u8 {
    1 << (side & 1)
}

/// The bit that says that the header of a message from `side` is not whole yet.
#[inline(always)]
const fn undecided_bit(side: u8) -> u8 {
    4 << (side & 1)
}

/// Tells the payload of a packet of which [`Verdict::Evident`](super::Verdict::Evident) was said, if it is evidence.
#[inline(always)]
pub fn capture<E: Environment, B: Bytes + Copy>(env: &mut E, frame: B) {
    let Some(mut room) = env.room() else { return };
    let cpu = env.cpu();
    let Some(mut slot) = env.slot(cpu, room.content.slot) else { return };
    tell(env, frame, &mut slot, &mut room);
}

#[inline(always)]
fn tell<E: Environment, B: Bytes + Copy>(env: &mut E, frame: B, slot: &mut Slot, room: &mut Room) {
    let content_before = slot.details.content;
    let kind = if slot.line.transport == TCP { segment(frame, slot, room) } else { datagram(slot, room) };
    if slot.details.content != content_before {
        account::tell(env, RecordKind::Rose, Counter::LostRose, slot);
    }
    let Some(kind) = kind else { return };
    if slot.stream.pieces_sent >= MOST_PIECES {
        return env.count(Counter::PayloadOver, 1);
    }
    let captured = least(room.content.payload, least(room.piece.head.wanted, MOST_OF_PIECE as u32));
    fill_head(&mut room.piece.head, slot, kind, room.content.side);
    room.piece.head.captured = captured as u16;
    let payload_at = room.content.payload_at as usize & OFFSET_MASK;
    if !frame.copy::<MOST_OF_PIECE>(payload_at, &mut room.piece.bytes, 0, captured) {
        return;
    }
    slot.stream.pieces_sent += 1;
    let sent = env.emit_piece(&room.piece);
    env.count(if sent { Counter::PayloadSent } else { Counter::LostPayload }, 1);
}

/// What a datagram is: the first of each side says who asks for what; those that follow say the same.
#[inline(always)]
fn datagram(slot: &Slot, room: &mut Room) -> Option<PieceKind> {
    let side = usize::from(room.content.side & 1);
    room.piece.head.wanted = least(room.content.payload, LONGEST_DATAGRAM);
    room.piece.head.sequence = 0;
    (slot.line.packets[side] == 1).then_some(PieceKind::Datagram)
}

/// What a segment is, if it is wanted; where it is in its stream and how many bytes from there on are wanted goes into the
/// head.
#[inline(always)]
fn segment<B: Bytes + Copy>(frame: B, slot: &mut Slot, room: &mut Room) -> Option<PieceKind> {
    let content = &room.content;
    let (side, bit) = (usize::from(content.side & 1), bit(content.side));
    let undecided_bit = undecided_bit(content.side);
    let sequence = u32::from_be(frame.load((content.segment_at as usize & OFFSET_MASK) + 4)?);
    let undecided = slot.line.kind & undecided_bit != 0;
    // Where the next segment of an undecided message lies in it; of any other it is the first.
    let continues = undecided && content.opening == 0;
    let into = if continues { u32::from(slot.stream.partial.seen) } else { 0 };
    let mut have = 0;
    if undecided || content.opening | content.rpc != 0 {
        have = least(content.payload, GLIMPSE as u32);
        let payload_at = content.payload_at as usize & OFFSET_MASK;
        if !frame.copy::<ROOM_OF_GLIMPSE>(payload_at, &mut room.piece.bytes, into as usize, have) {
            return None;
        }
    }
    let glimpse = Glimpse { bytes: &room.piece.bytes, have, into };
    let (mut kind, mut wanted, mut longest) = (PieceKind::Message, 0, 0);
    match content.opening {
        0 if content.rpc != 0 && !undecided => {
            kind = PieceKind::Rpc;
            wanted = evidence::of_rpc(&glimpse);
        }
        0 => {}
        SESSION_REQUEST => wanted = SESSION_REQUEST_LEN,
        identifier @ (SMB1 | SMB2) => {
            // There is room for one header: a message of the other side that is not decided yet is given up.
            let other = content.side ^ 1;
            if slot.line.kind & self::undecided_bit(other) != 0 {
                slot.line.kind &= !(self::undecided_bit(other) | self::bit(other));
            }
            longest = evidence::whole(&glimpse);
            slot.stream.partial = PartialHeader { identifier, ..PartialHeader::EMPTY };
            slot.stream.partial.look(&glimpse);
            wanted = slot.stream.partial.wanted(&glimpse, longest);
            if wanted == CONTENT {
                slot.details.content |= content_bit(content.side);
                wanted = 0;
            }
        }
        _ => {}
    }
    if content.opening != 0 || wanted != 0 {
        slot.line.kind &= !(bit | undecided_bit);
        if wanted == UNDECIDED {
            if slot.stream.pieces_sent >= MOST_UNDECIDED {
                return None;
            }
            slot.line.kind |= undecided_bit;
            wanted = longest;
        }
        slot.stream.wanted[side] = SeqRange { from: sequence, until: sequence.wrapping_add(wanted) };
        if content.payload < wanted {
            slot.line.kind |= bit;
        }
    } else {
        if slot.line.kind & bit == 0 {
            return None;
        }
        let stretch = &mut slot.stream.wanted[side];
        let (into, long) = (sequence.wrapping_sub(stretch.from), stretch.until.wrapping_sub(stretch.from));
        if into >= long {
            // What lies behind the stretch ends it, not its own last segment: that may be here before others.
            if (into as i32) >= 0 {
                slot.line.kind &= !(bit | undecided_bit);
            }
            return None;
        }
        let mut end = long;
        if undecided {
            let begun = &mut slot.stream.partial;
            // Its header is read in the order in which it was sent.
            if into != glimpse.into {
                return None;
            }
            begun.look(&glimpse);
            end = begun.wanted(&glimpse, long);
            if end == UNDECIDED && slot.stream.pieces_sent < MOST_UNDECIDED {
                end = long;
            } else {
                slot.line.kind &= !undecided_bit;
                if end == CONTENT {
                    slot.details.content |= content_bit(content.side);
                    end = 0;
                }
                if end == UNDECIDED || end <= into {
                    slot.line.kind &= !bit;
                    return None;
                }
                stretch.until = stretch.from.wrapping_add(end);
            }
        }
        (kind, wanted) = (PieceKind::Continued, end - into);
    }
    room.piece.head.wanted = wanted;
    room.piece.head.sequence = sequence;
    (wanted != 0).then_some(kind)
}

#[inline(always)]
fn fill_head(head: &mut PieceHead, slot: &Slot, kind: PieceKind, side: u8) {
    let line = &slot.line;
    head.version = RECORD_VERSION;
    head.kind = RecordKind::Payload as u8;
    head.transport = line.transport;
    head.family = line.family;
    head.ifindex = line.ifindex;
    head.local_port = line.local_port;
    head.remote_port = line.remote_port;
    head.side = side;
    head.piece = kind as u8;
    head.at = line.last;
    head.generation = line.generation;
    let wide = line.family == 6;
    for word in 0..3 {
        head.local[word] = if wide { slot.high.local[word] } else { 0 };
        head.remote[word] = if wide { slot.high.remote[word] } else { 0 };
    }
    (head.local[3], head.remote[3]) = (line.local_low, line.remote_low);
}

#[inline(always)]
const fn least(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}
