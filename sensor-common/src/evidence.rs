//! Which messages are evidence, and how much of them.
//!
//! Takes the first bytes of a payload, says how many bytes from there on the agent is to see: session set-up in every
//! form, connections to shares, DCE-RPC binds, and of DCE-RPC requests the header alone (in SMB 1 transactions, the beginning). Reads and writes of files
//! are none, so that no file content ever leaves the kernel.

use crate::{payload::MOST_OF_PIECE, slot::Begun, smb::SMB1};

/// Bytes that are enough to tell: the deepest look is at the DCE-RPC header in an SMB2 request (124 + 8).
pub const GLIMPSE: usize = 132;

/// Bytes of one message at most; what is longer is cut. Kerberos tickets with large authorisation data fit.
pub const LONGEST: u32 = 8_192;

/// Bytes of a datagram at most.
pub const LONGEST_DATAGRAM: u32 = 512;

/// Bytes of an SMB1 transaction at most: its names, and a DCE-RPC bind.
const LONGEST_TRANSACTION: u32 = 512;

/// A NetBIOS session request (RFC 1002 4.3.2).
pub const SESSION_REQUEST_LEN: u32 = 72;

/// DCE-RPC request header up to and including the operation number (C706 12.6.4.9).
const RPC_REQUEST_HEADER: u32 = 24;

/// Where in an SMB 1 message the command is, the session header included (MS-CIFS 2.2.3.1).
const COMMAND_OF_SMB1: u32 = 8;

/// Where in an SMB 2 message the bytes are that tell (MS-SMB2 2.2.1.2).
const HEADER_OF_SMB2: u32 = 16;

/// Said of a message of which not enough is there to tell.
pub const UNDECIDED: u32 = u32::MAX;

/// Bytes of a DCE-RPC unit that are enough to know one: version and type.
const LEAST_OF_UNIT: u32 = 3;

/// The bytes that are looked at: the beginning of a segment, at its place in the message. What lies before and behind is
/// meaningless.
#[derive(Clone, Copy)]
pub struct Glimpse<'a> {
    /// Bytes.
    pub bytes: &'a [u8; MOST_OF_PIECE],
    /// Where the segment lies in its message.
    pub into: u32,
    /// How many bytes are of the segment.
    pub have: u32,
}

impl Glimpse<'_> {
    /// Whether the segment holds `count` bytes from `offset` of the message on.
    #[inline(always)]
    const fn holds(&self, offset: u32, count: u32) -> bool {
        offset >= self.into && offset + count <= self.into + self.have
    }

    /// The byte after the last.
    #[inline(always)]
    const fn end(&self) -> u32 {
        self.into + self.have
    }
}

/// The length of a message that begins with the segment, session header included (MS-SMB2 2.1: 24 bits), but no more than is
/// ever wanted.
#[inline(always)]
#[must_use]
pub const fn whole(glimpse: &Glimpse<'_>) -> u32 {
    let [_, a, b, c] = [glimpse.bytes[0], glimpse.bytes[1], glimpse.bytes[2], glimpse.bytes[3]];
    at_most((a as u32) << 16 | (b as u32) << 8 | c as u32, LONGEST - 4) + 4
}

impl Begun {
    /// Looks at a segment, the next one of the message.
    #[inline(always)]
    pub const fn look(&mut self, glimpse: &Glimpse<'_>) {
        let mut at = 0;
        if self.identifier == SMB1 {
            if glimpse.holds(COMMAND_OF_SMB1, 1) {
                self.header[0] = glimpse.bytes[COMMAND_OF_SMB1 as usize];
            }
            at = self.header.len();
        }
        while at < self.header.len() {
            if glimpse.holds(HEADER_OF_SMB2 + at as u32, 1) {
                self.header[at] = glimpse.bytes[HEADER_OF_SMB2 as usize + at];
            }
            at += 1;
        }
        self.seen = at_most(glimpse.end(), u16::MAX as u32) as u16;
    }

    /// Bytes of the message, `whole` bytes long, that the agent is to see: 0 for none, [`UNDECIDED`] when that cannot be told
    /// with this segment.
    #[inline(always)]
    #[must_use]
    pub const fn wanted(&self, glimpse: &Glimpse<'_>, whole: u32) -> u32 {
        let enough = if self.identifier == SMB1 {
            COMMAND_OF_SMB1 + 1
        } else {
            HEADER_OF_SMB2 + self.header.len() as u32
        };
        if (self.seen as u32) < enough {
            return if whole < enough { 0 } else { UNDECIDED };
        }
        if self.identifier == SMB1 { self.of_smb1(glimpse, whole) } else { self.of_smb2(glimpse, whole) }
    }

    /// MS-SMB2 2.2.1.2: command at byte 12 of the header, flags at 16, NextCommand at 20: what is behind that may be a write of
    /// a file. Commands 0 to 4 are NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT. READ, WRITE and IOCTL carry
    /// named pipes; where their data begins is what every known implementation sends (2.2.20, 2.2.21, 2.2.31, 2.2.32).
    #[inline(always)]
    const fn of_smb2(&self, glimpse: &Glimpse<'_>, whole: u32) -> u32 {
        let [command, high, _, _, flags, _, _, _, a, b, c, d] = self.header;
        let length = match u32::from_le_bytes([a, b, c, d]) {
            0 => whole,
            next => at_most(at_most(next, LONGEST - 4) + 4, whole),
        };
        let reply = flags & 1 != 0;
        match (high, command, reply) {
            (0, 0..=4, _) => length,
            (0, 8, true) => of_pipe(glimpse, 84, length),
            (0, 9, false) | (0, 11, true) => of_pipe(glimpse, 116, length),
            (0, 11, false) => of_pipe(glimpse, 124, length),
            _ => 0,
        }
    }

    /// MS-CIFS 2.2.3.1: command at byte 4 of the header. NEGOTIATE, SESSION_SETUP_ANDX, LOGOFF_ANDX, TREE_CONNECT_ANDX,
    /// TREE_CONNECT, TREE_DISCONNECT; TRANSACTION, which carries named pipes and mailslots alone; and pipes read and
    /// written like files (2.2.4.42, 2.2.4.43), with and without a byte of padding.
    #[inline(always)]
    const fn of_smb1(&self, glimpse: &Glimpse<'_>, whole: u32) -> u32 {
        match self.header[0] {
            0x70..=0x75 => whole,
            0x25 => at_most(whole, LONGEST_TRANSACTION),
            0x2E => either(of_pipe(glimpse, 63, whole), of_pipe(glimpse, 64, whole)),
            0x2F => either(of_pipe(glimpse, 67, whole), of_pipe(glimpse, 68, whole)),
            _ => 0,
        }
    }
}

/// What either says: that something is wanted, or else that it is not known yet.
#[inline(always)]
const fn either(one: u32, other: u32) -> u32 {
    if one == 0 || one == UNDECIDED && other != 0 { other } else { one }
}

#[inline(always)]
const fn at_most(value: u32, most: u32) -> u32 {
    if value < most { value } else { most }
}

/// A message of `length` bytes whose data at `at` may be a DCE-RPC unit.
#[inline(always)]
const fn of_pipe(glimpse: &Glimpse<'_>, at: u32, length: u32) -> u32 {
    if length < at + LEAST_OF_UNIT || glimpse.into > at {
        return 0;
    }
    // While it is not known, the segment travels: so none may that holds the first byte of what could be a file.
    if glimpse.end() <= at {
        return UNDECIDED;
    }
    match unit(glimpse, at) {
        Unit::Other => 0,
        Unit::Binding => length,
        Unit::Request => at_most(length, at + RPC_REQUEST_HEADER),
    }
}

/// Bytes of a DCE-RPC unit that begins the payload; 0 for none.
#[inline(always)]
#[must_use]
pub const fn of_rpc(glimpse: &Glimpse<'_>) -> u32 {
    match unit(glimpse, 0) {
        Unit::Other => 0,
        // C706 12.6.3.1: the unit's length at byte 8.
        Unit::Binding if glimpse.holds(8, 2) => {
            at_most(glimpse.bytes[8] as u32 | (glimpse.bytes[9] as u32) << 8, LONGEST)
        }
        Unit::Binding => 0,
        Unit::Request => RPC_REQUEST_HEADER,
    }
}

enum Unit {
    Other,
    /// bind, bind_ack, bind_nak, alter_context, alter_context_resp, auth3.
    Binding,
    Request,
}

/// C706 12.6.3.1 and 14.1: version 5.0 or 5.1, type at byte 2, integers little-endian and characters ASCII at byte 4, as far
/// as these are there.
#[inline(always)]
const fn unit(glimpse: &Glimpse<'_>, at: u32) -> Unit {
    if !glimpse.holds(at, LEAST_OF_UNIT)
        || glimpse.bytes[at as usize] != 5
        || glimpse.bytes[(at + 1) as usize] > 1
    {
        return Unit::Other;
    }
    if glimpse.holds(at + 4, 4)
        && (glimpse.bytes[(at + 4) as usize] != 0x10
            || glimpse.bytes[(at + 5) as usize] != 0
            || glimpse.bytes[(at + 6) as usize] != 0
            || glimpse.bytes[(at + 7) as usize] != 0)
    {
        return Unit::Other;
    }
    match glimpse.bytes[(at + 2) as usize] {
        0 => Unit::Request,
        11..=16 => Unit::Binding,
        _ => Unit::Other,
    }
}

#[cfg(test)]
mod tests;
