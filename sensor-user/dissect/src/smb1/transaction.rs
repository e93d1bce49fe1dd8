//! Data of named pipes and mailslots: TRANSACTION (MS-CIFS 2.2.4.33, 2.2.5.6), WRITE_ANDX (2.2.4.43) and
//! READ_ANDX (2.2.4.42).
//!
//! WRITE_ANDX and READ_ANDX carry file contents too. The caller must know that the handle is a pipe.

use super::{Block, command, read as read_message};
use crate::{smb1::Body, wire::available};

/// Data of a pipe or for a mailslot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeData<'a> {
    /// Handle; responses and mailslots have none.
    pub file: Option<u16>,
    /// Whether only a pipe can carry it.
    pub surely_pipe: bool,
    /// Name of the pipe or mailslot, of a TRANSACTION request.
    pub name: Option<String>,
    /// The bytes, as far as they are there.
    pub bytes: &'a [u8],
}

/// TRANS_TRANSACT_NMPIPE, MS-CIFS 2.2.5.6.
const TRANSACT: u16 = 0x0026;

/// TRANS_PEEK_NMPIPE, MS-CIFS 2.2.5.5.
const PEEK: u16 = 0x0023;

/// The handle of a TRANS_PEEK_NMPIPE request; `None` for other TRANSACTIONs.
pub(super) fn peeked(block: Block<'_>) -> Option<u16> {
    let peeks = !block.response && block.word_count() >= 16 && block.word(28) == PEEK;
    peeks.then(|| block.word(30))
}

/// Reads the data of a command; `None` if it has no data of a pipe.
pub(super) fn read(command: u8, block: Block<'_>) -> Option<PipeData<'_>> {
    let carried = |offset: u16, length: u16| available(block.message, offset.into(), length.into());
    let (file, surely_pipe, name, bytes) = match (command, block.response) {
        (command::TRANSACTION, false) if block.word_count() >= 14 => {
            let pipe = block.word_count() >= 16 && block.word(28) == TRANSACT;
            let file = pipe.then(|| block.word(30));
            (file, pipe, block.text(0).0, carried(block.word(24), block.word(22)))
        }
        (command::TRANSACTION, true) if block.word_count() >= 10 => {
            (None, true, None, carried(block.word(14), block.word(12)))
        }
        (command::WRITE_ANDX, false) if block.word_count() >= 12 => {
            (Some(block.word(4)), false, None, carried(block.word(22), block.word(20)))
        }
        (command::READ_ANDX, true) if block.word_count() >= 12 => {
            (None, false, None, carried(block.word(12), block.word(10)))
        }
        _ => return None,
    };
    Some(PipeData { file, surely_pipe, name, bytes })
}

/// The mailslot of a message in a datagram.
#[must_use]
pub fn mailslot(bytes: &[u8]) -> Option<String> {
    let message = read_message(bytes).ok()?;
    message.commands.into_iter().find_map(|command| match command {
        Body::PipeData(data) => data.name,
        _ => None,
    })
}
