//! Payload that is evidence, on its way to the agent.
//!
//! Takes a packet that was accounted to its slot, and looks at the messages that begin in it ([`place`](super::place)), one at a
//! time. A wanted message opens a range of its side's stream. Every segment in that range is reported, in any order and each time
//! it is sent, until a segment lies behind the range or begins a message. The agent joins the segments. During the set-up of a
//! session, a segment that arrives before the beginning of its message is reported too. If a header is split over several
//! segments, these are reported in their order, until the header shows whether the message is wanted. This code is separate from
//! the rest of the path, so that no other packet pays for it.

mod message;
mod rest;

use core::hint::black_box;

pub use self::rest::begin;
use self::{
    message::{message, unit},
    rest::{is_undecided, rest},
};
use super::{
    Environment, account, andx, checksum, datagram, heads,
    place::{self, NOWHERE, known_by, of_side},
};
use crate::{
    bytes::Bytes,
    counter::Counter,
    evidence::{MESSAGE_START_LEN, MessageStart},
    payload::{Content, MAX_PIECE_LEN, PieceBuffer, PieceHead, PieceKind},
    slot::{
        CONTENT_OF_ANY, PartialHeader, Place, RECORD_VERSION, RecordKind, SeqRange, Slot, TCP, UDP, bit,
        mark, unfollowed,
    },
    smb::SMB2,
};

/// Pieces that a flow may report during one generation: enough for a hundred log-ons, and a bound for a client that makes more.
pub const MAX_PIECES: u32 = 512;

/// Of these, pieces of messages of which it is not known yet whether they are evidence.
const MAX_UNDECIDED: u32 = MAX_PIECES / 2;

/// Looks that are taken at a packet: one at each message that begins in it, one at the end of a message that begins before it,
/// and one more at a message whose header is in two packets.
pub const MAX_LOOKS: u8 = 32;

/// A start lies in a piece as it does in its message. No message is undecided behind this many bytes, and no start longer.
pub(super) const MESSAGE_START_CAPACITY: usize = 256;

/// The beginning of a later message of a compound, as a word of a probe.
const CHAINED_MESSAGE: u32 = u32::from_ne_bytes([SMB2, b'S', b'M', b'B']);

/// What is to be looked at next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Look {
    /// Nothing.
    Done,
    /// A message, by [`capture`].
    Message,
    /// A command in a chain of SMB 1, by [`command`](super::command).
    Command,
}

/// What is to be done in a look, in [`Content::step`].
pub(super) mod step {
    /// Nothing was done with the packet yet.
    pub(crate) const BEGIN: u8 = 0;
    /// A message begins where it is to be looked.
    pub(crate) const MESSAGE: u8 = 1;
    /// A message goes on there whose header began in packets before.
    pub(crate) const REST: u8 = 2;
    /// A later command of an SMB 1 message begins there.
    pub(crate) const COMMAND: u8 = 3;
    /// The message of a chain of commands is to be handed up.
    pub(crate) const CHAIN: u8 = 4;
}

/// Whether the payload may have to be reported. Computed by arithmetic and not by branches, of which the verifier would follow each
/// combination; `opaque_zero` keeps the compiler from making branches of it.
#[inline(always)]
pub(super) fn is_called_for(content: &Content, slot: &Slot, opaque_zero: u32) -> bool {
    if content.payload == 0 {
        return false;
    }
    if slot.line.transport == UDP {
        return datagram::may_be_wanted(slot, content);
    }
    let awaits = of_side(bit::AWAITED | bit::GAP, content.side) & slot.line.kind;
    let messages = content.rpc as u32 | awaits as u32 | place::may_begin(content, slot, opaque_zero);
    messages | heads::is_http(slot) != 0
}

/// Takes one look at a packet of which [`Verdict::Evident`](super::Verdict::Evident) was said, and hands up what is evidence.
/// Says what is to be looked at then; a packet gets at most [`MAX_LOOKS`].
#[inline(always)]
pub fn capture<E: Environment, B: Bytes + Copy>(env: &mut E, frame: B) -> Look {
    let Some(mut buffer) = env.piece_buffer() else { return Look::Done };
    let cpu = env.cpu();
    let Some(mut slot) = env.slot(cpu, buffer.content.slot) else { return Look::Done };
    look(env, frame, &mut slot, &mut buffer)
}

#[inline(always)]
fn look<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    slot: &mut Slot,
    buffer: &mut PieceBuffer,
) -> Look {
    let before = evidence_of(slot);
    buffer.content.before = 0;
    let number = |kind: Option<PieceKind>| kind.map_or(0, |kind| kind as u32);
    let kind = if slot.line.transport == TCP && heads::is_http(slot) != 0 {
        number(heads::wanted(frame, slot, buffer))
    } else if slot.line.transport == TCP {
        segment(env, frame, slot, buffer)
    } else {
        number(datagram::wanted(frame, slot, buffer))
    };
    buffer.piece.head.piece = kind as u8;
    if buffer.piece.head.piece != 0 {
        if u32::from(slot.stream.pieces_sent) < MAX_PIECES {
            hand_up(env, frame, slot, buffer);
        } else {
            slot.details.unfollowed |= unfollowed::MESSAGES;
            env.count(Counter::PayloadOver, 1);
        }
    }
    let look = go_on(env, slot, &mut buffer.content);
    if evidence_of(slot) != before {
        account::emit(env, RecordKind::Rose, Counter::LostRose, slot);
    }
    look
}

/// Goes on with what is to be looked at next, unless there were too many looks.
#[inline(always)]
pub(super) fn go_on<E: Environment>(env: &mut E, slot: &mut Slot, content: &mut Content) -> Look {
    content.looks += 1;
    content.at = content.then;
    if content.at >= content.payload {
        return Look::Done;
    }
    if content.looks >= MAX_LOOKS {
        place::lose(slot, content.side);
        leave(env, slot);
        return Look::Done;
    }
    if content.step == step::COMMAND { Look::Command } else { Look::Message }
}

/// What a look may add to the evidence of a flow.
#[inline(always)]
const fn evidence_of(slot: &Slot) -> u32 {
    slot.line.marks as u32 | ((slot.details.content & CONTENT_OF_ANY) as u32) << 16
}

#[inline(always)]
fn hand_up<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    slot: &mut Slot,
    buffer: &mut PieceBuffer,
) {
    let content = &buffer.content;
    let there = content.payload.wrapping_sub(content.at);
    let mut captured = least(there, least(buffer.piece.head.wanted, MAX_PIECE_LEN as u32));
    let at = offset(content);
    if buffer.piece.head.piece == PieceKind::FirstPayload as u8 {
        // Of a frame that was cut when it was recorded, as much as is there.
        captured = least(captured, frame.whole_len().map_or(captured, |whole| whole.wrapping_sub(at as u32)));
    }
    buffer.piece.head.segment_len = 0;
    if content.before != 0 {
        captured = u32::from(content.before);
    } else {
        // The first fragment of a packet holds only a part of its segment.
        let is_whole = captured == content.payload && slot.line.marks & mark::FRAGMENTED == 0;
        if is_whole && slot.line.transport == TCP {
            checksum::sum(frame, content, &mut buffer.piece);
        }
        if !frame.copy::<MAX_PIECE_LEN>(at, &mut buffer.piece.bytes, 0, captured) {
            return;
        }
    }
    fill_head(&mut buffer.piece.head, slot, content.side);
    buffer.piece.head.captured = captured as u16;
    slot.stream.pieces_sent += 1;
    let sent = env.emit_piece(&buffer.piece);
    env.count(if sent { Counter::PayloadSent } else { Counter::LostPayload }, 1);
}

/// Where in the frame is looked.
#[inline(always)]
const fn offset(content: &Content) -> usize {
    content.payload_at.wrapping_add(content.at) as usize
}

/// Gives back memory of which neither compiler nor verifier know any more what was written to it: what follows is verified once,
/// and not once for each way that leads there.
#[inline(always)]
fn forgotten<T>(written: &mut T) -> &mut T {
    black_box(written)
}

/// What of a segment is wanted, in this look: the number of a [`PieceKind`], or 0. Where it is in its stream and how many bytes from
/// there on are wanted goes into the head, and where to look then into the content.
#[inline(always)]
fn segment<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    slot: &mut Slot,
    buffer: &mut PieceBuffer,
) -> u32 {
    let PieceBuffer { content, piece } = &mut *buffer;
    if content.step == step::CHAIN {
        content.step = step::MESSAGE;
        piece.head.sequence = content.sequence.wrapping_add(content.at);
        piece.head.wanted = andx::hand_up(slot, content);
        return PieceKind::Message as u32;
    }
    if content.step == step::BEGIN {
        env.begin(slot, content);
    }
    let content = forgotten(content);
    let continues = content.step == step::REST;
    content.step = step::MESSAGE;
    content.then = if continues { content.after } else { NOWHERE };
    if content.at >= content.payload {
        return 0;
    }
    let side = content.side;
    if content.place == known_by::AHEAD {
        piece.head.sequence = content.sequence;
        // More than there is: of which message it is a part, and how long that is, is not known.
        piece.head.wanted = content.payload + 1;
        let is_room = u32::from(slot.stream.pieces_sent) < MAX_UNDECIDED;
        return if is_room { PieceKind::Continued as u32 } else { 0 };
    }
    let undecided = continues && is_undecided(slot, side);
    let looks = undecided || !continues;
    // Where the segment lies in its message, as far as the message is looked at.
    let mut into = 0;
    let mut chained = content.chained != 0;
    if undecided {
        into = u32::from(slot.stream.partial.seen);
    } else if chained {
        into = 4;
        piece.bytes[..4].copy_from_slice(&content.chained.wrapping_sub(4).to_be_bytes());
    } else if looks && content.place == known_by::NEXT {
        let place = &slot.stream.place[usize::from(side & 1)];
        into = u32::from(place.header_len & Place::LENGTH);
        chained = place.header_len & Place::CHAINED != 0;
        piece.bytes[..7].copy_from_slice(&place.header);
    }
    content.chained = 0;
    let mut have = 0;
    if looks {
        have = least(content.payload.wrapping_sub(content.at), MESSAGE_START_LEN as u32);
        let (at, bytes) = (offset(content), &mut piece.bytes);
        if !frame.copy::<MESSAGE_START_CAPACITY>(at, bytes, into as usize, have) {
            content.then = NOWHERE;
            place::lose(slot, side);
            return 0;
        }
    }
    (content.have, content.into, content.known) = (have as u16, into as u16, 0);
    if chained {
        content.known |= CHAINED;
    }
    if continues {
        content.known |= CONTINUES;
    }
    if undecided {
        content.known |= STILL_UNDECIDED;
    }
    judge(env, slot, forgotten(buffer))
}

/// In [`Content::known`]: the message is a later one of a compound.
const CHAINED: u32 = 1 << 0;

/// In it: it is the rest of a message that began in an earlier segment.
const CONTINUES: u32 = 1 << 1;

/// In it: of that message it is not known yet whether it is evidence.
const STILL_UNDECIDED: u32 = 1 << 2;

/// What of a message is wanted whose start was copied: the number of a [`PieceKind`], or 0.
#[inline(always)]
fn judge<E: Environment>(env: &mut E, slot: &mut Slot, buffer: &mut PieceBuffer) -> u32 {
    let PieceBuffer { content, piece } = buffer;
    let have = least(content.have.into(), MESSAGE_START_LEN as u32);
    let (into, flags) = (u32::from(content.into), content.known);
    let (chained, continues) = (flags & CHAINED != 0, flags & CONTINUES != 0);
    let undecided = flags & STILL_UNDECIDED != 0;
    let start = MessageStart { bytes: &piece.bytes, have, into };
    let head = &mut piece.head;
    head.sequence = content.sequence.wrapping_add(content.at);
    let kind = if continues {
        head.wanted = rest(env, slot, content, &start, undecided);
        PieceKind::Continued
    } else if content.rpc != 0 && content.opening == 0 {
        head.wanted = unit(slot, content, &start);
        PieceKind::Rpc
    } else {
        let (kind, wanted) = message(env, slot, content, &start, chained);
        head.wanted = wanted;
        let before = content.before;
        head.sequence = head.sequence.wrapping_sub(u32::from(before));
        if chained && before != 0 {
            // The identifier alone can be in packets before; there is no session header to hand up.
            piece.bytes[..3].copy_from_slice(&[SMB2, b'S', b'M']);
        }
        kind
    };
    if head.wanted != 0 { kind as u32 } else { 0 }
}

/// Opens the range of a side's stream that is wanted; more of it is awaited unless it is `complete`.
#[inline(always)]
pub(super) const fn open(slot: &mut Slot, content: &Content, range: SeqRange, complete: bool) {
    let side = content.side;
    slot.line.kind &= !of_side(bit::AWAITED, side);
    if slot.stream.partial.of & PartialHeader::SIDE == side + 1 {
        slot.stream.partial.of = 0;
    }
    slot.stream.wanted[(side & 1) as usize] = range;
    if !complete {
        slot.line.kind |= of_side(bit::AWAITED, side);
    }
}

/// A message is not followed. Out of line: it is a rare part of the path.
#[inline(never)]
pub(super) fn leave<E: Environment>(env: &mut E, slot: &mut Slot) {
    slot.details.unfollowed |= unfollowed::MESSAGES;
    env.count(Counter::Unfollowed, 1);
}

#[inline(always)]
fn fill_head(head: &mut PieceHead, slot: &Slot, side: u8) {
    let line = &slot.line;
    head.version = RECORD_VERSION;
    head.kind = RecordKind::Payload as u8;
    head.transport = line.transport;
    head.family = line.family;
    head.ifindex = line.ifindex;
    head.local_port = line.local_port;
    head.remote_port = line.remote_port;
    head.side = side;
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
pub(super) const fn least(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}
