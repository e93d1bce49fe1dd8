//! Which messages are evidence, and how much of them.
//!
//! Takes the first bytes of a payload. Says how many bytes from there the agent needs: session set-up in every form,
//! connections to shares, DCE-RPC binds, the headers of DCE-RPC requests, and the beginning of SMB 1 transactions.
//! Reads and writes of files are never evidence, so no file content leaves the kernel.

mod andx;

pub use self::andx::{FIRST_BLOCK, NextCommand, chains, next, wanted};
use crate::{
    payload::MAX_PIECE_LEN,
    slot::PartialHeader,
    smb::{Probe, SMB1, SMB2},
};

/// Bytes that are enough to decide: the deepest field read is the DCE-RPC header in an SMB2 request (124 + 8).
pub const MESSAGE_START_LEN: usize = 132;

/// Most bytes of one message; longer ones are cut. Kerberos tickets with large authorisation data fit.
pub const MAX_MESSAGE_LEN: u32 = 8_192;

/// Most bytes of a datagram.
pub const MAX_DATAGRAM_LEN: u32 = 512;

/// Most bytes of the first payload of a side that does not begin with a message.
pub const LONGEST_FIRST_PAYLOAD: u32 = 64;

/// Most bytes of a first payload that begins like a ClientHello of TLS.
pub const LONGEST_CLIENT_HELLO: u32 = 2_048;

/// Most bytes of an SMB1 transaction without a DCE-RPC bind: its names and a request.
const MAX_TRANSACTION: u32 = 512;

/// A NetBIOS session request (RFC 1002 4.3.2).
pub const SESSION_REQUEST_LEN: u32 = 72;

/// DCE-RPC request header up to and including the operation number (C706 12.6.4.9).
const RPC_REQUEST_HEADER: u32 = 24;

/// Offsets of the message header fields that are read, including the four bytes of the session header.
#[derive(Clone, Copy)]
struct Fields {
    command: u32,
    command_len: u32,
    /// Four bytes.
    status: u32,
    /// The byte that says whether the message is a response.
    flags: u32,
    /// The byte behind the last of them.
    end: u32,
}

/// MS-CIFS 2.2.3.1: Command, Status, Flags.
const SMB1_FIELDS: Fields = Fields { command: 8, command_len: 1, status: 9, flags: 13, end: 14 };

/// SMB_FLAGS_REPLY.
const SMB1_REPLY: u8 = 0x80;

/// MS-SMB2 2.2.1.2: Status, Command, Flags, NextCommand.
const SMB2_FIELDS: Fields = Fields { command: 16, command_len: 2, status: 12, flags: 20, end: 28 };

/// SMB2_FLAGS_SERVER_TO_REDIR.
const SMB2_REPLY: u8 = 1;

/// NextCommand.
const SMB2_NEXT: u32 = 24;

/// Bytes of an SMB2 header (MS-SMB2 2.2.1).
const SMB2_HEADER: u32 = 64;

/// The result for a message of which too few bytes are there to decide.
pub const UNDECIDED: u32 = u32::MAX;

/// The result for a message with file content: none of it is wanted, but its presence is evidence.
pub const CONTENT: u32 = u32::MAX - 1;

/// Bytes that identify a DCE-RPC PDU: version and type.
const MIN_PDU: u32 = 3;

/// The inspected bytes: the beginning of a segment, at its place in the message. Bytes before and behind it are
/// undefined.
#[derive(Clone, Copy)]
pub struct MessageStart<'a> {
    /// Bytes.
    pub bytes: &'a [u8; MAX_PIECE_LEN],
    /// Offset of the segment in its message.
    pub into: u32,
    /// Number of bytes that belong to the segment.
    pub have: u32,
}

impl MessageStart<'_> {
    /// Whether the segment contains `count` bytes from `offset` of the message.
    #[inline(always)]
    const fn holds(&self, offset: u32, count: u32) -> bool {
        offset >= self.into && offset + count <= self.into + self.have
    }

    /// The first bytes of the message.
    #[inline(always)]
    #[must_use]
    pub const fn probe(&self) -> Probe {
        let [a, b, c, d, e, f, g, h, ..] = *self.bytes;
        [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
    }

    /// The byte after the last.
    #[inline(always)]
    const fn end(&self) -> u32 {
        self.into + self.have
    }
}

/// Bytes of a message that hold all fields of its header that are looked at.
pub const HEADER_FIELDS_LEN: u32 = SMB2_FIELDS.end;

impl PartialHeader {
    /// Reads the fields of a header of which all are there.
    #[inline(always)]
    #[must_use]
    pub const fn whole(identifier: u8, start: &MessageStart<'_>) -> Self {
        let bytes = start.bytes;
        let of_smb1 = identifier == SMB1;
        let fields = if of_smb1 { SMB1_FIELDS } else { SMB2_FIELDS };
        let (at, status) = (fields.command as usize, fields.status as usize);
        let next = SMB2_NEXT as usize;
        Self {
            command: [bytes[at], if of_smb1 { 0 } else { bytes[at + 1] }],
            flags: bytes[fields.flags as usize],
            status: bytes[status] | bytes[status + 1] | bytes[status + 2] | bytes[status + 3],
            next: [bytes[next], bytes[next + 1], bytes[next + 2], bytes[next + 3]],
            seen: at_most(start.end(), u16::MAX as u32) as u16,
            identifier,
            of: 0,
        }
    }

    /// Adds the next segment of the message.
    #[inline(always)]
    pub const fn look(&mut self, start: &MessageStart<'_>) {
        if self.identifier == SMB1 {
            self.look_for(start, &SMB1_FIELDS);
        } else {
            self.look_for(start, &SMB2_FIELDS);
            let mut at = 0;
            while at < self.next.len() {
                if start.holds(SMB2_NEXT + at as u32, 1) {
                    self.next[at] = start.bytes[SMB2_NEXT as usize + at];
                }
                at += 1;
            }
        }
        self.seen = at_most(start.end(), u16::MAX as u32) as u16;
    }

    /// Where the next message of a compound begins behind this one, of which `length` bytes follow with its session header; 0
    /// if it is the last one (MS-SMB2 3.3.5.2.7) or that was not seen yet. A message that would begin inside this one or behind the end
    /// is none.
    #[inline(always)]
    #[must_use]
    pub const fn chained(&self, length: u32) -> u32 {
        let next = u32::from_le_bytes(self.next);
        let fits = next >= SMB2_HEADER && next <= length.wrapping_sub(4 + SMB2_HEADER);
        if self.identifier == SMB2 && self.is_whole() && fits && length > 4 + SMB2_HEADER { next } else { 0 }
    }

    /// Whether all fields of the header that are looked at were seen.
    #[inline(always)]
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.seen as u32 >= HEADER_FIELDS_LEN
    }

    /// Whether it is NEGOTIATE or SESSION_SETUP (MS-SMB2 2.2.1.2), or that of SMB 1 (MS-CIFS 2.2.2.1), as far as it was seen.
    #[inline(always)]
    #[must_use]
    pub const fn is_set_up(&self) -> bool {
        match (self.identifier, self.command) {
            (SMB1, [command, _]) => matches!(command, 0x72 | 0x73),
            (SMB2, [command, high]) => command <= 1 && high == 0,
            _ => false,
        }
    }

    /// Whether it is the header of a response.
    #[inline(always)]
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        self.flags & if self.identifier == SMB1 { SMB1_REPLY } else { SMB2_REPLY } != 0
    }

    #[inline(always)]
    const fn look_for(&mut self, start: &MessageStart<'_>, fields: &Fields) {
        let mut at = 0;
        while at < fields.command_len {
            if start.holds(fields.command + at, 1) {
                self.command[at as usize] = start.bytes[(fields.command + at) as usize];
            }
            at += 1;
        }
        at = 0;
        while at < 4 {
            if start.holds(fields.status + at, 1) {
                self.status |= start.bytes[(fields.status + at) as usize];
            }
            at += 1;
        }
        if start.holds(fields.flags, 1) {
            self.flags = start.bytes[fields.flags as usize];
        }
    }

    /// Bytes of the message, `whole` bytes long, that the agent needs: 0 for none, [`CONTENT`] if it carries file content (none
    /// is needed), [`UNDECIDED`] if this segment does not decide it. `of_pipe` is [`of_pipe`] for this start.
    #[inline(always)]
    #[must_use]
    pub fn wanted(&self, start: &MessageStart<'_>, whole: u32, of_pipe: impl OfPipe) -> u32 {
        let enough = if self.identifier == SMB1 { SMB1_FIELDS.end } else { SMB2_FIELDS.end };
        if (self.seen as u32) < enough {
            return if whole < enough { 0 } else { UNDECIDED };
        }
        if self.identifier == SMB1 {
            self.of_smb1(start, whole, of_pipe)
        } else {
            self.of_smb2(whole, of_pipe)
        }
    }

    /// MS-SMB2 2.2.1.2: command at byte 12 of the header, flags at 16, NextCommand at 20; a chained command may be a write of a
    /// file. Commands 0 to 4 are NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT. READ, WRITE and IOCTL carry
    /// named pipes; the offset of their data is the one that every known implementation sends (2.2.20, 2.2.21, 2.2.31, 2.2.32).
    /// Other data of WRITE requests, and of READ responses with STATUS_SUCCESS, is file content.
    #[inline(always)]
    fn of_smb2(&self, whole: u32, of_pipe: impl OfPipe) -> u32 {
        let length = match u32::from_le_bytes(self.next) {
            0 => whole,
            next => at_most(at_most(next, MAX_MESSAGE_LEN - 4) + 4, whole),
        };
        let [command, high] = self.command;
        let reply = self.is_reply();
        match (high, command, reply) {
            (0, 0..=4, _) => length,
            (0, 8, true) => content_if(self.status == 0, of_pipe(84, length)),
            (0, 9, false) => of_pipe(116, length),
            (0, 11, true) => content_if(false, of_pipe(116, length)),
            (0, 11, false) => content_if(false, of_pipe(124, length)),
            _ => 0,
        }
    }

    /// MS-CIFS 2.2.3.1: command at byte 4 of the header. NEGOTIATE, SESSION_SETUP_ANDX, LOGOFF_ANDX, TREE_CONNECT_ANDX,
    /// TREE_CONNECT, TREE_DISCONNECT; TRANSACTION, which carries named pipes and mailslots alone; and pipes read and written like
    /// files: READ_ANDX responses and WRITE_ANDX requests (2.2.4.42, 2.2.4.43), with and without a byte of padding, those of
    /// READ, LOCK_AND_READ, WRITE and WRITE_AND_UNLOCK, and WRITE_AND_CLOSE requests of both lengths. Other data of these is
    /// file content, as is that of READ_RAW and READ_MPX responses, and of WRITE_RAW, WRITE_MPX, WRITE_MPX_SECONDARY and
    /// WRITE_PRINT_FILE requests (2.2.4). The data of READ_RAW itself has no header (2.2.4.22.2); only messages with a header are read.
    /// TRANSACTION2 and NT_TRANSACT name the offset of their data (2.2.4.46, 2.2.4.62); none of it is file content.
    #[inline(always)]
    fn of_smb1(&self, start: &MessageStart<'_>, whole: u32, of_pipe: impl OfPipe) -> u32 {
        let reply = self.is_reply();
        let succeeded = reply && self.status == 0;
        let wanted = match self.command[0] {
            0x70..=0x75 => whole,
            // A bind may hold a ticket.
            0x25 if data_of(start, of_pipe, if reply { 51 } else { 61 }, whole) == whole => whole,
            0x25 => at_most(whole, MAX_TRANSACTION),
            0x32 => content_if(false, data_of(start, of_pipe, if reply { 51 } else { 61 }, whole)),
            0xA0 => content_if(false, data_of(start, of_pipe, if reply { 64 } else { 68 }, whole)),
            0x2E => content_if(succeeded, either(of_pipe(63, whole), of_pipe(64, whole))),
            0x2F => content_if(!reply, either(of_pipe(67, whole), of_pipe(68, whole))),
            0x0A | 0x13 => content_if(succeeded, of_pipe(52, whole)),
            0x0B | 0x14 => content_if(!reply, of_pipe(52, whole)),
            0x2C => content_if(!reply, either(of_pipe(52, whole), of_pipe(64, whole))),
            0x1A | 0x1B => content_if(succeeded, CONTENT),
            0x1D | 0x1E | 0x1F | 0xC1 => content_if(!reply, CONTENT),
            _ => 0,
        };
        if wanted == 0 { andx::is_early(start, self.command[0], whole) } else { wanted }
    }
}

/// The result `said` for a message whose data is file content only if `holds`.
#[inline(always)]
const fn content_if(holds: bool, said: u32) -> u32 {
    if said == CONTENT && !holds { 0 } else { said }
}

/// Combines the results for two possible places of the data: a PDU at either wins, then undecided.
#[inline(always)]
const fn either(one: u32, other: u32) -> u32 {
    if one == CONTENT || one == UNDECIDED && other != CONTENT { other } else { one }
}

#[inline(always)]
const fn at_most(value: u32, most: u32) -> u32 {
    if value < most { value } else { most }
}

/// [`of_pipe`] for one [`MessageStart`], with the place of the data and the length of the message. The kernel program has it out of
/// line, for it is asked in many places.
pub trait OfPipe: Fn(u32, u32) -> u32 + Copy {}

impl<F: Fn(u32, u32) -> u32 + Copy> OfPipe for F {}

/// A message of `length` bytes whose data at `at`, less than 256, may be a DCE-RPC PDU; other data is content.
#[inline(always)]
#[must_use]
pub const fn of_pipe(start: &MessageStart<'_>, at: u32, length: u32) -> u32 {
    let at = at & 0xFF;
    if length <= at {
        return 0;
    }
    if length < at + MIN_PDU || start.into > at {
        return CONTENT;
    }
    // An undecided segment is sent, so it must not contain the first byte of possible file content.
    if start.end() <= at {
        return UNDECIDED;
    }
    match pdu(start, at) {
        Pdu::None => CONTENT,
        Pdu::Answer => 0,
        Pdu::Binding => length,
        Pdu::Request => at_most(length, at + RPC_REQUEST_HEADER),
    }
}

/// The same for a message with the offset of its data at `field`: two bytes, counted from the SMB header.
#[inline(always)]
fn data_of(start: &MessageStart<'_>, of_pipe: impl OfPipe, field: u32, length: u32) -> u32 {
    if !start.holds(field, 2) {
        return if start.end() <= field && field + 2 <= length { UNDECIDED } else { CONTENT };
    }
    let at = 4 + (start.bytes[field as usize] as u32 | (start.bytes[(field + 1) as usize] as u32) << 8);
    // The start does not reach further.
    if at > MESSAGE_START_LEN as u32 - 8 {
        return CONTENT;
    }
    of_pipe(at, length)
}

/// Bytes of a DCE-RPC PDU that begins the payload; 0 for none.
#[inline(always)]
#[must_use]
pub const fn of_rpc(start: &MessageStart<'_>) -> u32 {
    match pdu(start, 0) {
        Pdu::None | Pdu::Answer => 0,
        // C706 12.6.3.1: the PDU's length at byte 8.
        Pdu::Binding if start.holds(8, 2) => {
            at_most(start.bytes[8] as u32 | (start.bytes[9] as u32) << 8, MAX_MESSAGE_LEN)
        }
        Pdu::Binding => 0,
        Pdu::Request => RPC_REQUEST_HEADER,
    }
}

/// Most bytes that are wanted of a first payload that begins no message: more of it if it begins like a ClientHello, because
/// the name of the server is further behind. RFC 8446 5.1, 4 and 4.1.2: a handshake record of version 3.0 to 3.7 and less than
/// 16 KiB, and in it a ClientHello of less than 64 KiB and version 3.x. Computed by arithmetic and not by branches, of which the verifier
/// would follow each. Of less than ten bytes more are never wanted than there are, whatever lies behind them.
#[inline(always)]
#[must_use]
pub const fn of_first_payload(start: &MessageStart<'_>) -> u32 {
    let [kind, major, minor, length, _, message, message_length, _, _, version, ..] = *start.bytes;
    let record = (kind ^ 22) | (major ^ 3) | (minor & 0xF8) | (length & 0xC0);
    let differs = record | (message ^ 1) | message_length | (version ^ 3);
    // All ones if nothing differs.
    let is_hello = ((differs as i64 - 1) >> 63) as u32;
    LONGEST_FIRST_PAYLOAD + (is_hello & (LONGEST_CLIENT_HELLO - LONGEST_FIRST_PAYLOAD))
}

enum Pdu {
    /// No PDU.
    None,
    /// Any other PDU: response, fault and the like.
    Answer,
    /// bind, bind_ack, bind_nak, alter_context, alter_context_resp, auth3.
    Binding,
    Request,
}

/// C706 12.6.3.1 and 14.1: version 5.0 or 5.1, type at byte 2, integers little-endian and characters ASCII at byte 4, as far
/// as these bytes are there.
#[inline(always)]
const fn pdu(start: &MessageStart<'_>, at: u32) -> Pdu {
    if !start.holds(at, MIN_PDU) || start.bytes[at as usize] != 5 || start.bytes[(at + 1) as usize] > 1 {
        return Pdu::None;
    }
    if start.holds(at + 4, 4)
        && (start.bytes[(at + 4) as usize] != 0x10
            || start.bytes[(at + 5) as usize] != 0
            || start.bytes[(at + 6) as usize] != 0
            || start.bytes[(at + 7) as usize] != 0)
    {
        return Pdu::None;
    }
    match start.bytes[(at + 2) as usize] {
        0 => Pdu::Request,
        11..=16 => Pdu::Binding,
        // C706 12.6.4: the last type is 19, orphaned.
        1..=10 | 17..=19 => Pdu::Answer,
        _ => Pdu::None,
    }
}

#[cfg(test)]
mod tests;
