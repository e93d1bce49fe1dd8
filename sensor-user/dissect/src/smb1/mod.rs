//! SMB 1 messages (MS-CIFS 2.2, MS-SMB 2.2): the header, chains of AndX commands, and the commands that are parsed.

mod negotiate;
mod session_setup;
mod transaction;
mod tree_connect;

pub use negotiate::NegotiateResponse;
pub use session_setup::{Authentication, SessionSetupRequest, SessionSetupResponse};
pub use transaction::{PipeData, mailslot};
pub use tree_connect::TreeConnectResponse;

use std::cmp::Ordering;

use thiserror::Error;
use zerocopy::{
    FromBytes, Immutable, KnownLayout, Unaligned,
    little_endian::{U16, U32},
};

use super::{
    Sender,
    status::Status,
    text,
    wire::{Truncated, available, layout, slice},
};

/// Most commands of one chain that are read.
pub const MAX_CHAIN: usize = 8;

/// Bytes of the header.
const HEADER_LEN: usize = 32;

/// SMB header, MS-CIFS 2.2.3.1.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct WireHeader {
    protocol: [u8; 4],
    command: u8,
    status: U32,
    flags: u8,
    flags_2: U16,
    process_high: U16,
    security_features: [u8; 8],
    reserved: U16,
    tree: U16,
    process_low: U16,
    user: U16,
    multiplex: U16,
}

/// Commands, MS-CIFS 2.2.2.1.
mod command {
    pub(super) const READ: u8 = 0x0A;
    pub(super) const WRITE: u8 = 0x0B;
    pub(super) const LOCK_AND_READ: u8 = 0x13;
    pub(super) const WRITE_AND_UNLOCK: u8 = 0x14;
    pub(super) const TRANSACTION: u8 = 0x25;
    pub(super) const WRITE_AND_CLOSE: u8 = 0x2C;
    pub(super) const TRANSACTION2: u8 = 0x32;
    pub(super) const NT_TRANSACT: u8 = 0xA0;
    pub(super) const LOCKING_ANDX: u8 = 0x24;
    pub(super) const OPEN_ANDX: u8 = 0x2D;
    pub(super) const READ_ANDX: u8 = 0x2E;
    pub(super) const WRITE_ANDX: u8 = 0x2F;
    pub(super) const TREE_CONNECT: u8 = 0x70;
    pub(super) const NEGOTIATE: u8 = 0x72;
    pub(super) const SESSION_SETUP_ANDX: u8 = 0x73;
    pub(super) const LOGOFF_ANDX: u8 = 0x74;
    pub(super) const TREE_CONNECT_ANDX: u8 = 0x75;
    pub(super) const NT_CREATE_ANDX: u8 = 0xA2;
    pub(super) const NONE: u8 = 0xFF;

    /// Whether it asks to open a file or pipe: OPEN, CREATE, CREATE_TEMPORARY, CREATE_NEW, OPEN_ANDX, TRANSACTION2,
    /// NT_TRANSACT, NT_CREATE_ANDX.
    pub(super) const fn may_open(command: u8) -> bool {
        matches!(command, 0x02 | 0x03 | 0x0E | 0x0F | OPEN_ANDX | TRANSACTION2 | NT_TRANSACT | NT_CREATE_ANDX)
    }

    /// Whether another command can follow in the same message.
    pub(super) const fn chains(command: u8) -> bool {
        matches!(
            command,
            LOCKING_ANDX
                | OPEN_ANDX
                | READ_ANDX
                | WRITE_ANDX
                | SESSION_SETUP_ANDX
                | LOGOFF_ANDX
                | TREE_CONNECT_ANDX
                | NT_CREATE_ANDX
        )
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Status of a response: that of the last command of its chain.
    pub status: Status,
    /// Tree of the message, or the newly connected tree.
    pub tree: u16,
    /// User identifier (UID): the session of the message, or the new one.
    pub user: u16,
    /// Identifier that a response shares with its request: the multiplex identifier. Some servers do not repeat the process'.
    pub exchange: u16,
    /// Whether its flags say that it is signed.
    pub signed: bool,
    /// Commands in their order. One that could not be read is [`Body::Other`].
    pub commands: Vec<Body<'a>>,
    /// Why a command, or the rest of the chain, was not read, if it was not.
    pub broken: Option<Smb1Error>,
}

/// The content of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// NEGOTIATE request: names of dialects.
    NegotiateRequest(Vec<String>),
    /// NEGOTIATE response.
    NegotiateResponse(NegotiateResponse<'a>),
    /// SESSION_SETUP_ANDX request.
    SessionSetupRequest(SessionSetupRequest<'a>),
    /// SESSION_SETUP_ANDX response; `None` for an error without a body.
    SessionSetupResponse(Option<SessionSetupResponse<'a>>),
    /// LOGOFF_ANDX.
    Logoff,
    /// TREE_CONNECT or TREE_CONNECT_ANDX request with the path.
    TreeConnectRequest(String),
    /// Its response; `None` for an error.
    TreeConnectResponse(Option<TreeConnectResponse>),
    /// Data of a named pipe or a file.
    PipeData(PipeData<'a>),
    /// TRANS_PEEK_NMPIPE request, with its handle.
    PeekPipe(u16),
    /// Another command.
    Other(u8),
}

/// Why bytes are not a valid message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Smb1Error {
    /// It is cut short.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// It does not begin with FF "SMB".
    #[error("not an SMB1 message")]
    Protocol,
    /// A command with fewer parameter words than it needs.
    #[error("{what} with {words} parameter words")]
    WordCount {
        /// Command.
        what: &'static str,
        /// Its WordCount.
        words: u8,
    },
    /// The next command of a chain begins inside an earlier one, or behind the message.
    #[error(
        "the next command of the chain begins at offset {0}, inside an earlier one or behind the message"
    )]
    Chain(u16),
    /// Too many commands in one chain.
    #[error("a chain of more than {MAX_CHAIN} commands")]
    TooMany,
}

/// The parameter words and bytes of a command (MS-CIFS 2.2.3.2, 2.2.3.3), with the context for reading them.
#[derive(Clone, Copy)]
struct Block<'a> {
    /// The whole message: offsets and alignment count from its header.
    message: &'a [u8],
    words: &'a [u8],
    /// Where the data bytes begin.
    data_at: usize,
    /// The bytes, as far as they are there.
    data: &'a [u8],
    /// Whether some of them are missing.
    cut: bool,
    unicode: bool,
    response: bool,
}

impl Body<'_> {
    /// Whether its command asks to open a file or pipe.
    #[must_use]
    pub const fn may_open(&self) -> bool {
        matches!(self, Self::Other(command) if command::may_open(*command))
    }
}

impl<'a> Block<'a> {
    fn read(message: &'a [u8], at: usize, unicode: bool, response: bool) -> Result<Self, Smb1Error> {
        let count = usize::from(*layout::<u8>(message, at, "word count")?);
        let words = slice(message, at + 1, count * 2, "parameter words")?;
        let bytes_at = at + 1 + count * 2;
        let data_at = bytes_at + 2;
        // A message that is cut here gives only its words.
        let length = layout::<U16>(message, bytes_at, "byte count").map_or(0, |count| count.get());
        let data = available(message, data_at, length.into());
        let cut = data.len() < usize::from(length);
        Ok(Self { message, words, data_at, data, cut, unicode, response })
    }

    fn word_count(&self) -> u8 {
        (self.words.len() / 2) as u8
    }

    /// A word of the parameters, by its offset in bytes.
    fn word(&self, at: usize) -> u16 {
        layout::<U16>(self.words, at, "word").map_or(0, |word| word.get())
    }

    /// Reads the first text after an offset in the data; returns the offset behind it. A byte of padding aligns Unicode text
    /// (MS-CIFS 2.2.1.1), but some implementations pad aligned text or do not pad other text. So the text begins where more of it
    /// is Latin.
    fn text(&self, at: usize) -> (Option<String>, usize) {
        let rest = self.data.get(at..).unwrap_or_default();
        let behind = rest.get(1..).unwrap_or_default();
        let padded = self.unicode
            && match text::latin_units(rest).cmp(&text::latin_units(behind)) {
                Ordering::Greater => false,
                Ordering::Less => true,
                Ordering::Equal => !(self.data_at + at).is_multiple_of(2),
            };
        self.text_unaligned(at + usize::from(padded), self.unicode)
    }

    /// Reads the text that follows another one.
    fn next_text(&self, at: usize) -> (Option<String>, usize) {
        self.text_unaligned(at, self.unicode)
    }

    /// Reads text at an offset in the data. `None` for empty text and for text that was cut, because it would be another
    /// name.
    fn text_unaligned(&self, at: usize, unicode: bool) -> (Option<String>, usize) {
        let rest = self.data.get(at..).unwrap_or_default();
        let (text, taken) = if unicode { text::utf16_z(rest) } else { text::oem_z(rest) };
        let terminated = if unicode {
            taken.is_multiple_of(2) && rest[..taken].ends_with(&[0, 0])
        } else {
            rest[..taken].ends_with(&[0])
        };
        (Some(text).filter(|text| !text.is_empty() && (terminated || !self.cut)), at + taken)
    }

    /// A double word of the parameters, by its offset in bytes.
    fn double_word(&self, at: usize) -> u32 {
        layout::<U32>(self.words, at, "double word").map_or(0, |word| word.get())
    }
}

/// Reads a message of a sender. Its own reply flag does not count: servers answer requests that
/// have it set.
///
/// # Errors
/// [`Smb1Error`] if it is none. An unreadable command ends the chain, and the message says why.
pub fn read(bytes: &[u8], from: Sender) -> Result<Message<'_>, Smb1Error> {
    let header = layout::<WireHeader>(bytes, 0, "SMB header")?;
    if header.protocol != *b"\xFFSMB" {
        return Err(Smb1Error::Protocol);
    }
    let flags_2 = header.flags_2.get();
    let status = header.status.get();
    let mut message = Message {
        // SMB_FLAGS2_NT_STATUS; success is zero in both forms.
        status: if flags_2 & 0x4000 != 0 || status == 0 {
            Status::Nt(status)
        } else {
            Status::Dos { class: status as u8, code: (status >> 16) as u16 }
        },
        tree: header.tree.get(),
        user: header.user.get(),
        exchange: header.multiplex.get(),
        signed: flags_2 & 0x0004 != 0,
        commands: Vec::new(),
        broken: None,
    };
    let unicode = flags_2 & 0x8000 != 0;
    if let Err(error) = chain(bytes, header.command, (unicode, from == Sender::Server), &mut message) {
        message.broken.get_or_insert(error);
    }
    Ok(message)
}

fn chain<'a>(
    bytes: &'a [u8],
    first: u8,
    (unicode, response): (bool, bool),
    message: &mut Message<'a>,
) -> Result<(), Smb1Error> {
    let (mut command, mut at) = (first, HEADER_LEN);
    for _ in 0..MAX_CHAIN {
        let block = Block::read(bytes, at, unicode, response)?;
        // An invalid command does not end the chain.
        message.commands.push(body(command, block).unwrap_or_else(|error| {
            message.broken.get_or_insert(error);
            Body::Other(command)
        }));
        if !command::chains(command) || block.words.len() < 4 || block.words[0] == command::NONE {
            return Ok(());
        }
        // Command, a reserved byte, and the offset from the header (MS-CIFS 2.2.3.4).
        let next = block.word(2);
        let ends_before = usize::from(next) > bytes.len() && !block.cut;
        if usize::from(next) < block.data_at || ends_before {
            return Err(Smb1Error::Chain(next));
        }
        (command, at) = (block.words[0], next.into());
    }
    Err(Smb1Error::TooMany)
}

fn body(command: u8, block: Block<'_>) -> Result<Body<'_>, Smb1Error> {
    // A response with an error has no parameter words.
    let empty = block.words.is_empty();
    Ok(match (command, block.response) {
        (command::NEGOTIATE, false) => Body::NegotiateRequest(negotiate::dialects(block.data)),
        (command::NEGOTIATE, true) if !empty => Body::NegotiateResponse(negotiate::response(block)?),
        (command::SESSION_SETUP_ANDX, false) => Body::SessionSetupRequest(session_setup::request(block)?),
        (command::SESSION_SETUP_ANDX, true) => {
            Body::SessionSetupResponse((!empty).then(|| session_setup::response(block)))
        }
        (command::LOGOFF_ANDX, _) => Body::Logoff,
        (command::TREE_CONNECT_ANDX, false) => Body::TreeConnectRequest(tree_connect::request(block)?),
        (command::TREE_CONNECT_ANDX, true) => {
            Body::TreeConnectResponse((!empty).then(|| tree_connect::response(block)))
        }
        (command::TREE_CONNECT, false) => Body::TreeConnectRequest(tree_connect::core_request(block)?),
        (command::TREE_CONNECT, true) => {
            Body::TreeConnectResponse((!empty).then(|| tree_connect::core_response(block)))
        }
        _ => match transaction::peeked(block).filter(|_| command == command::TRANSACTION) {
            Some(file) => Body::PeekPipe(file),
            None => transaction::read(command, block).map_or(Body::Other(command), Body::PipeData),
        },
    })
}

#[cfg(test)]
mod tests;
