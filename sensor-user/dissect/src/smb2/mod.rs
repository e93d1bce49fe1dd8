//! SMB 2 and 3 messages (MS-SMB2 2.2): the header, compounds, and the commands that are parsed.

mod algorithm;
mod compression;
mod negotiate;
mod pipe;
mod session;

pub use algorithm::AlgorithmKind;
pub use compression::overflows as compression_overflows;
pub use negotiate::{Contexts, NegotiateRequest, NegotiateResponse};
pub use pipe::PipeData;
pub use session::{SessionFlags, SessionSetupRequest, SessionSetupResponse, ShareKind};

use thiserror::Error;
use zerocopy::{
    FromBytes, Immutable, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

use super::{
    Sender,
    status::Status,
    wire::{Truncated, layout},
};

/// Most messages of one compound that are read.
pub const MAX_COMPOUND: usize = 32;

/// Bytes of the header.
const HEADER_LEN: usize = 64;

/// SMB2 header, 2.2.1. Process and tree are the asynchronous identifier if the flags say so.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct WireHeader {
    protocol: [u8; 4],
    structure_size: U16,
    credit_charge: U16,
    status: U32,
    command: U16,
    credits: U16,
    flags: U32,
    next_command: U32,
    message: U64,
    process: U32,
    tree: U32,
    session: U64,
    signature: [u8; 16],
}

/// 2.2.1.2.
mod flag {
    pub(super) const ASYNC: u32 = 0x0000_0002;
    pub(super) const RELATED: u32 = 0x0000_0004;
}

/// The handle of a related operation: the one that the message before it in the compound opens (MS-SMB2 3.2.4.1.4).
pub const RELATED_FILE: u128 = u128::MAX;

/// One message of a compound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Status of a response.
    pub status: Status,
    /// Identifier that a response shares with its request.
    pub message: u64,
    /// Tree of the message.
    pub tree: u32,
    /// Session of the message.
    pub session: u64,
    /// Whether it is signed: its signature is not zero.
    pub signed: bool,
    /// Its content.
    pub body: Body<'a>,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// NEGOTIATE request.
    NegotiateRequest(NegotiateRequest),
    /// NEGOTIATE response.
    NegotiateResponse(NegotiateResponse<'a>),
    /// SESSION_SETUP request.
    SessionSetupRequest(SessionSetupRequest<'a>),
    /// SESSION_SETUP response. `None` for an error without a body.
    SessionSetupResponse(Option<SessionSetupResponse<'a>>),
    /// LOGOFF request or response.
    Logoff,
    /// TREE_CONNECT request with the path.
    TreeConnectRequest(String),
    /// TREE_CONNECT response. `None` for an error.
    TreeConnectResponse(Option<ShareKind>),
    /// Data written to a file or pipe, read from it, or exchanged by FSCTL_PIPE_TRANSCEIVE.
    PipeData(PipeData<'a>),
    /// Another command.
    Other(u16),
}

/// Why bytes are not a valid message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Smb2Error {
    /// It is cut short.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// It does not begin with FE "SMB" and a header of 64 bytes.
    #[error("not an SMB2 message")]
    Protocol,
    /// A message of a compound begins inside its predecessor or not at all.
    #[error("the next message of the compound is {0} bytes away")]
    NextCommand(u32),
    /// A body's structure size is not that of its command.
    #[error("{what} has a structure size of {size}")]
    StructureSize {
        /// Command.
        what: &'static str,
        /// Size that it claims.
        size: u16,
    },
    /// Too many messages in one compound.
    #[error("a compound of more than {MAX_COMPOUND} messages")]
    TooMany,
}

/// Calls `each` with the messages of a compound that can be read, as those of a sender. Their own response
/// flags do not count: there are servers that answer requests that have it set. A related operation inherits the session and tree of the
/// message before it (MS-SMB2 3.3.5.2.7.2).
///
/// # Errors
/// The first [`Smb2Error`]. An invalid header ends the compound; an invalid body does not.
pub fn read<'a>(bytes: &'a [u8], from: Sender, mut each: impl FnMut(Message<'a>)) -> Result<(), Smb2Error> {
    let mut rest = bytes;
    let mut before = None;
    let mut result = Ok(());
    for _ in 0..MAX_COMPOUND {
        let header = match header(rest) {
            Ok(header) => header,
            Err(error) => return result.and(Err(error)),
        };
        let next = header.next_command.get() as usize;
        let whole = rest.get(..next).filter(|_| next != 0).unwrap_or(rest);
        let (session, tree) = ids(header, before);
        before = Some((session, tree));
        match body_of(header, from == Sender::Server, whole) {
            Ok((status, body)) => each(Message {
                status,
                message: header.message.get(),
                tree,
                session,
                signed: header.signature != [0; 16],
                body,
            }),
            Err(error) => result = result.and(Err(error)),
        }
        if next == 0 || next >= rest.len() {
            // It was the last one, or the rest of the compound is missing.
            return result;
        }
        rest = &rest[next..];
    }
    result.and(Err(Smb2Error::TooMany))
}

fn header(bytes: &[u8]) -> Result<&WireHeader, Smb2Error> {
    let header = layout::<WireHeader>(bytes, 0, "SMB2 header")?;
    if header.protocol != *b"\xFESMB" || usize::from(header.structure_size.get()) != HEADER_LEN {
        return Err(Smb2Error::Protocol);
    }
    let next = header.next_command.get();
    if next != 0 && (next as usize) < HEADER_LEN {
        return Err(Smb2Error::NextCommand(next));
    }
    Ok(header)
}

/// Session and tree of a message. A related operation that names none has those of the message before it.
fn ids(header: &WireHeader, before: Option<(u64, u32)>) -> (u64, u32) {
    let flags = header.flags.get();
    let session = header.session.get();
    let tree = if flags & flag::ASYNC != 0 { 0 } else { header.tree.get() };
    match before.filter(|_| flags & flag::RELATED != 0) {
        Some((earlier, earlier_tree)) => (
            if session == u64::MAX { earlier } else { session },
            if tree == u32::MAX { earlier_tree } else { tree },
        ),
        None => (session, tree),
    }
}

fn body_of<'a>(
    header: &WireHeader,
    response: bool,
    bytes: &'a [u8],
) -> Result<(Status, Body<'a>), Smb2Error> {
    let status = Status::Nt(if response { header.status.get() } else { 0 });
    Ok((status, body(header.command.get(), response, status, bytes)?))
}

fn body(command: u16, response: bool, status: Status, bytes: &[u8]) -> Result<Body<'_>, Smb2Error> {
    // A response with an error has an error body instead (2.2.2).
    let whole = status.is_success() || matches!(status, Status::Nt(0xC000_0016));
    Ok(match (command, response) {
        (0x0000, false) => Body::NegotiateRequest(negotiate::request(bytes)?),
        (0x0000, true) if whole => Body::NegotiateResponse(negotiate::response(bytes)?),
        (0x0001, false) => Body::SessionSetupRequest(session::request(bytes)?),
        (0x0001, true) => Body::SessionSetupResponse(whole.then(|| session::response(bytes)).transpose()?),
        (0x0002, _) => Body::Logoff,
        (0x0003, false) => Body::TreeConnectRequest(session::tree_request(bytes)?),
        (0x0003, true) => {
            Body::TreeConnectResponse(whole.then(|| session::tree_response(bytes)).transpose()?)
        }
        (0x0008 | 0x0009 | 0x000B, _) if whole => {
            pipe::read(command, response, bytes)?.map_or(Body::Other(command), Body::PipeData)
        }
        _ => Body::Other(command),
    })
}

/// Reads the fixed part of a body and checks its structure size, which includes one byte of the variable part if the
/// command has one (2.2).
fn fixed<'a, T>(bytes: &'a [u8], size: u16, what: &'static str) -> Result<&'a T, Smb2Error>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let claimed = layout::<U16>(bytes, HEADER_LEN, what)?.get();
    if claimed != size {
        return Err(Smb2Error::StructureSize { what, size: claimed });
    }
    Ok(layout::<T>(bytes, HEADER_LEN, what)?)
}

/// The transform of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// Transform header, 2.2.41: encrypted.
    Encrypted,
    /// Compression transform header, 2.2.42.
    Compressed,
}

/// Bytes of a transform header.
const TRANSFORM_HEADER_LEN: usize = 52;
/// Bytes of a compression transform header up to its algorithm.
const COMPRESSION_HEADER_LEN: usize = 10;

/// Reads the header of an encrypted or compressed message.
///
/// # Errors
/// [`Smb2Error`] if it is neither or cut short.
pub fn hidden(bytes: &[u8]) -> Result<Hidden, Smb2Error> {
    match bytes {
        [0xFD, b'S', b'M', b'B', ..] => {
            layout::<[u8; TRANSFORM_HEADER_LEN]>(bytes, 0, "transform header")?;
            Ok(Hidden::Encrypted)
        }
        [0xFC, b'S', b'M', b'B', ..] => {
            layout::<[u8; COMPRESSION_HEADER_LEN]>(bytes, 0, "compression header")?;
            Ok(Hidden::Compressed)
        }
        _ => Err(Smb2Error::Protocol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of one command: body given without header.
    pub(super) fn message(command: u16, flags: u32, next: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = b"\xFESMB".to_vec();
        bytes.extend([64, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(command.to_le_bytes());
        bytes.extend([1, 0]);
        bytes.extend(flags.to_le_bytes());
        bytes.extend(next.to_le_bytes());
        bytes.resize(HEADER_LEN, 0);
        bytes.extend(body);
        bytes
    }

    fn count(bytes: &[u8]) -> (usize, Result<(), Smb2Error>) {
        let mut count = 0;
        let result = read(bytes, Sender::Client, |_| count += 1);
        (count, result)
    }

    #[test]
    fn gives_every_message_of_a_compound() {
        let mut bytes = message(2, 0, 72, &[4, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(message(4, 0, 0, &[4, 0, 0, 0]));
        assert_eq!(count(&bytes), (2, Ok(())));
    }

    /// The same message in another session and tree.
    fn within(mut message: Vec<u8>, session: u64, tree: u32) -> Vec<u8> {
        message[36..40].copy_from_slice(&tree.to_le_bytes());
        message[40..48].copy_from_slice(&session.to_le_bytes());
        message
    }

    #[test]
    fn related_operations_inherit_session_and_tree() {
        let logoff = |flags, next| message(2, flags, next, &[4, 0, 0, 0, 0, 0, 0, 0]);
        let mut bytes = within(logoff(0, 72), 7, 3);
        bytes.extend(within(logoff(4, 72), u64::MAX, u32::MAX));
        bytes.extend(within(logoff(4, 72), u64::MAX, 5));
        bytes.extend(within(logoff(4, 72), u64::MAX, u32::MAX));
        bytes.extend(within(logoff(0, 0), 8, 4));
        let mut seen = Vec::new();
        read(&bytes, Sender::Client, |message| seen.push((message.session, message.tree))).unwrap();
        assert_eq!(seen, [(7, 3), (7, 3), (7, 5), (7, 5), (8, 4)]);
    }

    #[test]
    fn invalid_body_does_not_end_a_compound() {
        let mut bytes = message(1, 0, 72, &[0x24; 8]);
        bytes.extend(message(2, 0, 0, &[4, 0, 0, 0]));
        let error = Smb2Error::StructureSize { what: "SESSION_SETUP request", size: 0x2424 };
        assert_eq!(count(&bytes), (1, Err(error)));
    }

    #[test]
    fn refuses_an_overlapping_or_endless_compound() {
        assert_eq!(count(&message(2, 0, 8, &[4, 0])), (0, Err(Smb2Error::NextCommand(8))));
        let endless: Vec<u8> = (0..100).flat_map(|_| message(2, 0, 64, &[])).collect();
        assert_eq!(count(&endless), (MAX_COMPOUND, Err(Smb2Error::TooMany)));
    }

    #[test]
    fn compound_cut_in_its_second_message_gives_the_first() {
        let mut bytes = message(2, 0, 72, &[4, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(&message(4, 0, 0, &[4, 0, 0, 0])[..20]);
        let (given, result) = count(&bytes);
        assert!(given == 1 && matches!(result, Err(Smb2Error::Truncated(_))));
    }

    #[test]
    fn refuses_a_structure_size_of_another_command() {
        let error = count(&message(1, 0, 0, &[36; 40])).1.unwrap_err();
        assert_eq!(error, Smb2Error::StructureSize { what: "SESSION_SETUP request", size: 0x2424 });
    }
}
