//! Chains of SMB 1 commands in a packet: each later command is looked at like the first one of a message.
//!
//! A command that lies in another packet than the beginning of the message is not read; that is counted.

use super::{
    Environment,
    capture::{MESSAGE_START_CAPACITY, least, leave, open, step},
    place::NOWHERE,
};
use crate::{
    bytes::Bytes,
    evidence::{self, CONTENT, FIRST_BLOCK, MAX_MESSAGE_LEN, MESSAGE_START_LEN, MessageStart, UNDECIDED},
    payload::{Content, PieceBuffer, PieceKind},
    slot::{PartialHeader, SeqRange, Slot, content_bit},
    smb::SMB1,
};

/// [`Content::answers`]: the message is a response.
const REPLY: u8 = 1;
/// It says a failure.
const FAILED: u8 = 1 << 1;
/// It is handed up already.
const HANDED_UP: u8 = 1 << 2;
/// A command of it carries file content: it must not be handed up.
const CARRIES: u8 = 1 << 3;

/// Goes on with the command behind the first one of a message of `length` bytes, which begins at the sequence number `begins`. It was
/// `wanted` as far as that says.
#[inline(always)]
pub(super) fn begin<E: Environment>(
    env: &mut E,
    slot: &mut Slot,
    content: &mut Content,
    start: &MessageStart<'_>,
    header: &PartialHeader,
    (begins, length, wanted): (u32, u32, u32),
) {
    if header.identifier != SMB1 {
        return;
    }
    content.answers = if header.is_reply() { REPLY } else { 0 }
        | if header.status != 0 { FAILED } else { 0 }
        | match wanted {
            0 => 0,
            CONTENT => CARRIES,
            _ => HANDED_UP,
        };
    content.message = begins.wrapping_sub(content.sequence);
    content.length = length;
    content.after = content.then;
    next(env, slot, content, start, header.command[0]);
}

/// Has the command behind `command` looked at next, if there is one.
#[inline(always)]
fn next<E: Environment>(
    env: &mut E,
    slot: &mut Slot,
    content: &mut Content,
    start: &MessageStart<'_>,
    command: u8,
) {
    let Some(next) = evidence::next(start, command) else { return };
    if next.at >= content.length {
        return;
    }
    let at = content.message.wrapping_add(next.at);
    if at >= content.payload {
        if content.answers & HANDED_UP == 0 {
            leave(env, slot);
        }
        return;
    }
    content.command = next.command;
    content.block = next.at as u16;
    content.then = at;
    content.step = step::COMMAND;
}

/// Looks at the command of a chain that begins there. Says what of the message is wanted.
#[inline(always)]
pub(super) fn look<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    slot: &mut Slot,
    buffer: &mut PieceBuffer,
) -> Option<PieceKind> {
    let PieceBuffer { content, piece } = buffer;
    content.step = step::MESSAGE;
    content.then = content.after;
    let into = FIRST_BLOCK;
    let have = least(content.payload.wrapping_sub(content.at), MESSAGE_START_LEN as u32 - into);
    let at = content.payload_at.wrapping_add(content.at) as usize;
    if !frame.copy::<MESSAGE_START_CAPACITY>(at, &mut piece.bytes, into as usize, have) {
        content.then = NOWHERE;
        return None;
    }
    let displaced = u32::from(content.block).wrapping_sub(into);
    let start = MessageStart { bytes: &piece.bytes, have, into, displaced };
    let header = PartialHeader {
        command: [content.command, 0],
        flags: if content.answers & REPLY != 0 { 0x80 } else { 0 },
        status: content.answers & FAILED,
        identifier: SMB1,
        seen: (into + have) as u16,
        ..PartialHeader::EMPTY
    };
    let mut wanted = header.wanted(&start, content.length.wrapping_sub(displaced));
    next(env, slot, content, &start, content.command);
    if wanted == CONTENT {
        slot.details.content |= content_bit(content.side);
        content.answers |= CARRIES;
        wanted = 0;
    }
    if wanted == 0 || content.answers & HANDED_UP != 0 {
        return None;
    }
    if wanted == UNDECIDED || content.answers & CARRIES != 0 || content.message >= content.payload {
        leave(env, slot);
        return None;
    }
    // The agent reads the whole chain.
    content.answers |= HANDED_UP;
    content.at = content.message;
    let wanted = least(displaced.wrapping_add(wanted), MAX_MESSAGE_LEN);
    let from = content.sequence.wrapping_add(content.at);
    piece.head.sequence = from;
    piece.head.wanted = wanted;
    let complete = content.payload.wrapping_sub(content.at) >= wanted;
    open(slot, content, SeqRange { from, until: from.wrapping_add(wanted) }, complete);
    Some(PieceKind::Message)
}
