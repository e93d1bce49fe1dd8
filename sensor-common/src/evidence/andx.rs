//! Chains of SMB 1 commands (AndX, MS-CIFS 2.2.3.4): where the next command is, and how many bytes of it the agent needs.

use super::{CONTENT, MAX_TRANSACTION, MessageStart, OfPipe, UNDECIDED, at_most, either};

/// Offset of a message's first command, its parameters and data: behind the session header and the SMB header (MS-CIFS 2.2.3.1).
pub const FIRST_BLOCK: u32 = 36;

/// Bytes of a command up to the offset of the next one: WordCount, AndXCommand, AndXReserved, AndXOffset.
const ANDX_LEN: u32 = 5;

/// What is said of a command in a chain by its sender.
#[derive(Clone, Copy)]
pub struct NextCommand {
    /// Its code.
    pub command: u8,
    /// Its offset, from the session header.
    pub at: u32,
}

/// The command behind `command`, whose parameters begin at [`FIRST_BLOCK`] of `start`; `None` if there is none that can be evidence or
/// carry file content, or it was not seen.
#[inline(always)]
#[must_use]
pub const fn next(start: &MessageStart<'_>, command: u8) -> Option<NextCommand> {
    let block = FIRST_BLOCK as usize;
    // An error has no parameters.
    if !chains(command) || !start.holds(FIRST_BLOCK, ANDX_LEN) || start.bytes[block] < 2 {
        return None;
    }
    let next = start.bytes[block + 1];
    let at = 4 + (start.bytes[block + 3] as u32 | (start.bytes[block + 4] as u32) << 8);
    if !is_of_interest(next) {
        return None;
    }
    Some(NextCommand { command: next, at })
}

/// Bytes that the agent needs of a message for a later command in it, as in [`PartialHeader::wanted`](super::PartialHeader::wanted).
/// The parameters of the command begin at [`FIRST_BLOCK`] of `start`, and `whole` bytes are there to the end of the message. `succeeds`
/// is false for a response that says a failure.
#[inline(always)]
#[must_use]
pub fn wanted(command: u8, (is_reply, succeeds): (bool, bool), whole: u32, of_pipe: impl OfPipe) -> u32 {
    // As in messages of one command.
    let data = match (command, is_reply) {
        (0x70..=0x75, _) => return whole,
        (0x25, _) => return at_most(whole, MAX_TRANSACTION),
        (0x2E, true) => 63,
        (0x2F, false) => 67,
        (0x0A | 0x13, true) | (0x0B | 0x14 | 0x2C, false) => 52,
        (0x1A | 0x1B, true) | (0x1D..=0x1F | 0xC1, false) => return if succeeds { CONTENT } else { 0 },
        _ => return 0,
    };
    if succeeds { either(of_pipe(data, whole), of_pipe(data + 1, whole)) } else { 0 }
}

/// [`UNDECIDED`] if it is not known yet which command follows `command` in a message of `whole` bytes; otherwise 0.
#[inline(always)]
pub(super) const fn is_early(start: &MessageStart<'_>, command: u8, whole: u32) -> u32 {
    if chains(command) && start.end() <= FIRST_BLOCK && whole >= FIRST_BLOCK + ANDX_LEN {
        return UNDECIDED;
    }
    0
}

/// Whether another command can follow: LOCKING_ANDX, OPEN_ANDX, READ_ANDX, WRITE_ANDX, SESSION_SETUP_ANDX, LOGOFF_ANDX,
/// TREE_CONNECT_ANDX, NT_CREATE_ANDX.
#[inline(always)]
#[must_use]
pub const fn chains(command: u8) -> bool {
    matches!(command, 0x24 | 0x2D..=0x2F | 0x73..=0x75 | 0xA2)
}

/// Whether a command, or one behind it, can be evidence or carry file content.
#[inline(always)]
const fn is_of_interest(command: u8) -> bool {
    chains(command)
        || matches!(command, 0x0A | 0x0B | 0x13 | 0x14 | 0x1A..=0x1F | 0x25 | 0x2C | 0x70..=0x72 | 0xC1)
}
