//! Chains of SMB 1 commands in a packet: each later command is read like the first one of a message.
//!
//! A command in another packet than the beginning of its message is not read, but counted.

use super::{
    Environment, account,
    capture::{Look, MESSAGE_START_CAPACITY, go_on, least, leave, open, step},
    place::NOWHERE,
};
use crate::{
    bytes::Bytes,
    counter::Counter,
    evidence::{self, CONTENT, FIRST_BLOCK, MAX_MESSAGE_LEN, MESSAGE_START_LEN, MessageStart, UNDECIDED},
    payload::{Content, PieceBuffer},
    slot::{PartialHeader, RecordKind, SeqRange, Slot, content_bit},
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

/// Has the commands of a message of `length` bytes looked at, which begins at the sequence number `begins`, if there may be more
/// than the first one, and if that is in the packet. The first one was `wanted` as far as that says.
#[inline(always)]
pub(super) fn begin(content: &mut Content, header: &PartialHeader, begins: u32, length: u32, wanted: u32) {
    let message = begins.wrapping_sub(content.sequence);
    let at = message.wrapping_add(FIRST_BLOCK);
    if header.identifier != SMB1 || !evidence::chains(header.command[0]) || at >= content.payload {
        return;
    }
    let (reply, failed) = (header.is_reply(), header.is_reply() && header.status != 0);
    content.answers = if reply { REPLY } else { 0 }
        | if failed { FAILED } else { 0 }
        | match wanted {
            0 => 0,
            CONTENT => CARRIES,
            _ => HANDED_UP,
        };
    content.message = message;
    content.length = length;
    content.block = FIRST_BLOCK as u16;
    content.command = header.command[0];
    content.after = content.then;
    content.then = at;
    content.step = step::COMMAND;
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
    // A chain that goes backwards is none.
    if next.at >= content.length || next.at <= u32::from(content.block) {
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

/// Looks at the command of a chain that comes next. Says what is to be looked at then. Apart from [`capture`](super::capture()), which
/// hands up what is wanted.
#[inline(always)]
pub fn command<E: Environment, B: Bytes + Copy>(env: &mut E, frame: B) -> Look {
    let Some(mut buffer) = env.piece_buffer() else { return Look::Done };
    let cpu = env.cpu();
    let Some(mut slot) = env.slot(cpu, buffer.content.slot) else { return Look::Done };
    let before = slot.details.content;
    look(env, frame, &mut slot, &mut buffer);
    if slot.details.content != before {
        account::emit(env, RecordKind::Rose, Counter::LostRose, &slot);
    }
    go_on(env, &mut slot, &mut buffer.content)
}

#[inline(always)]
fn look<E: Environment, B: Bytes + Copy>(env: &mut E, frame: B, slot: &mut Slot, buffer: &mut PieceBuffer) {
    let PieceBuffer { content, piece } = buffer;
    content.step = step::MESSAGE;
    content.then = content.after;
    let into = FIRST_BLOCK;
    let have = least(content.payload.wrapping_sub(content.at), MESSAGE_START_LEN as u32 - into);
    let at = content.payload_at.wrapping_add(content.at) as usize;
    if content.at >= content.payload
        || !frame.copy::<MESSAGE_START_CAPACITY>(at, &mut piece.bytes, into as usize, have)
    {
        content.then = NOWHERE;
        return;
    }
    // By so much the command lies further behind than the first one.
    let displaced = u32::from(content.block).wrapping_sub(into);
    let start = MessageStart { bytes: &piece.bytes, have, into };
    let (command, whole) = (content.command, content.length.wrapping_sub(displaced));
    let sender = (content.answers & REPLY != 0, content.answers & FAILED == 0);
    let wanted = evidence::wanted(command, sender, whole, |at, length| env.of_pipe(&start, at, length));
    next(env, slot, content, &start, command);
    if wanted == CONTENT {
        slot.details.content |= content_bit(content.side);
        content.answers |= CARRIES;
        return;
    }
    if wanted == 0 || content.answers & HANDED_UP != 0 {
        return;
    }
    if wanted == UNDECIDED || content.answers & CARRIES != 0 || content.message >= content.payload {
        return leave(env, slot);
    }
    // The agent reads the whole chain.
    content.answers |= HANDED_UP;
    content.then = content.message;
    content.length = least(displaced.wrapping_add(wanted), MAX_MESSAGE_LEN);
    content.step = step::CHAIN;
}

/// Has the message of a chain handed up. Says how many bytes of it are wanted.
#[inline(always)]
pub(super) fn hand_up(slot: &mut Slot, content: &mut Content) -> u32 {
    let wanted = content.length;
    content.then = content.after;
    let from = content.sequence.wrapping_add(content.at);
    let complete = content.payload.wrapping_sub(content.at) >= wanted;
    open(slot, content, SeqRange { from, until: from.wrapping_add(wanted) }, complete);
    wanted
}
