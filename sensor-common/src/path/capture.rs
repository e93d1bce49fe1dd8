//! Payload that is evidence, on its way to the agent.
//!
//! Takes a packet that was accounted to its slot, and looks at the messages that begin in it ([`place`](super::place)), one
//! at a time. A message that is wanted opens a range of its side's stream, and every segment that lies in that range is
//! reported, in whatever order and however often it comes, until a segment comes that lies behind it or begins a message: joining
//! them is the agent's. During the set-up of a session, so is a segment that comes before the one in which its message begins. Of a
//! message whose header comes in several segments these are reported, in their order, until the header tells. Apart from the rest
//! of the path: no other packet pays for it.

use core::hint::black_box;

use super::{
    Environment, account, andx, checksum, datagram,
    decide::{message_mark, smb_from},
    heads,
    place::{self, NOWHERE, known_by, of_side},
};
use crate::{
    bytes::Bytes,
    counter::Counter,
    evidence::{
        self, CONTENT, HEADER_FIELDS_LEN, LONGEST_FIRST_PAYLOAD, MAX_MESSAGE_LEN, MESSAGE_START_LEN,
        MessageStart, SESSION_REQUEST_LEN, UNDECIDED,
    },
    payload::{Content, MAX_PIECE_LEN, PieceBuffer, PieceHead, PieceKind},
    slot::{
        CLIENT_IS_LOCAL, CONTENT_OF_ANY, PAST_SET_UP, PartialHeader, Place, RECORD_VERSION, RecordKind,
        SeqRange, Slot, TCP, UDP, bit, content_bit, mark, unfollowed,
    },
    smb::{self, Framed, SMB1, SMB2},
};

/// Pieces that a flow may tell during one generation: enough for a hundred logons, and an end for whoever makes more.
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
    let kind = if slot.line.transport == TCP && heads::is_http(slot) != 0 {
        heads::wanted(frame, slot, buffer)
    } else if slot.line.transport == TCP {
        segment(env, frame, slot, buffer)
    } else {
        datagram::wanted(frame, slot, buffer)
    };
    buffer.piece.head.piece = kind.map_or(0, |kind| kind as u8);
    if buffer.piece.head.piece != 0 {
        if slot.stream.pieces_sent < MAX_PIECES {
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

/// What of a segment is wanted, in this look. Where it is in its stream and how many bytes from there on are wanted goes into
/// the head, and where to look then into the content.
#[inline(always)]
fn segment<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    slot: &mut Slot,
    buffer: &mut PieceBuffer,
) -> Option<PieceKind> {
    let PieceBuffer { content, piece } = buffer;
    if content.step == step::CHAIN {
        content.step = step::MESSAGE;
        piece.head.sequence = content.sequence.wrapping_add(content.at);
        piece.head.wanted = andx::hand_up(slot, content);
        return Some(PieceKind::Message);
    }
    if content.step == step::BEGIN {
        begin(env, slot, content);
    }
    let content = forgotten(content);
    let continues = content.step == step::REST;
    content.step = step::MESSAGE;
    content.then = if continues { content.after } else { NOWHERE };
    if content.at >= content.payload {
        return None;
    }
    let side = content.side;
    if content.place == known_by::AHEAD {
        piece.head.sequence = content.sequence;
        // More than there is: of which message it is a part, and how long that is, is not known.
        piece.head.wanted = content.payload + 1;
        return (slot.stream.pieces_sent < MAX_UNDECIDED).then_some(PieceKind::Continued);
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
            return None;
        }
    }
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
    (head.wanted != 0).then_some(kind)
}

/// Whether more of a message of `side` is awaited of which it is not known yet whether it is evidence.
#[inline(always)]
const fn is_undecided(slot: &Slot, side: u8) -> bool {
    slot.line.kind & of_side(bit::AWAITED, side) != 0
        && slot.stream.partial.of & PartialHeader::SIDE == side + 1
}

/// Bytes of a message that is not decided yet that are not in the stream: the session header of a later one of a compound.
#[inline(always)]
const fn not_sent(partial: &PartialHeader) -> u32 {
    (partial.of & PartialHeader::CHAINED) as u32
}

/// Where to look first: at the rest of a message that is awaited, unless the segment begins with a message.
#[inline(always)]
fn begin<E: Environment>(env: &mut E, slot: &mut Slot, content: &mut Content) {
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
fn rest<E: Environment>(
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
    let mut end = partial.wanted(start, long.wrapping_add(not_sent));
    let began = range.from.wrapping_sub(not_sent);
    if !was_whole && partial.is_whole() {
        go_on_in_compound(env, slot, content, began);
    }
    if end != UNDECIDED {
        let header = slot.stream.partial;
        let length = length_of_undecided(slot, content.side, began);
        andx::begin(content, &header, began, length, end);
    }
    if end == UNDECIDED && slot.stream.pieces_sent < MAX_UNDECIDED {
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
fn go_on_in_compound<E: Environment>(env: &mut E, slot: &mut Slot, content: &mut Content, begins: u32) {
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
const fn length_of_undecided(slot: &Slot, side: u8, begins: u32) -> u32 {
    let place = &slot.stream.place[(side & 1) as usize];
    let is_known = slot.stream.partial.of & PartialHeader::ASIDE == 0
        && place.header_len == 0
        && slot.line.kind & of_side(bit::PLACED, side) != 0;
    if is_known { place.next.wrapping_sub(begins) } else { 0 }
}

/// How many bytes are wanted of a DCE-RPC unit that begins the payload. Where none does, a rest may.
#[inline(always)]
fn unit(slot: &mut Slot, content: &mut Content, start: &MessageStart<'_>) -> u32 {
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
fn message<E: Environment>(
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
                wanted = partial.wanted(start, least(length, MAX_MESSAGE_LEN));
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
        if slot.stream.pieces_sent >= MAX_UNDECIDED {
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
                return least(content.payload.wrapping_sub(content.at), LONGEST_FIRST_PAYLOAD);
            }
            if slot.line.marks & smb_from(side) != 0 {
                leave(env, slot);
            }
        }
        _ => {}
    }
    0
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

/// A message is not followed.
#[inline(always)]
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
