//! Which messages are evidence, and how much of them.
//!
//! Takes the first bytes of a payload, says how many bytes from there on the agent is to see: session set-up in every
//! form, connections to shares, DCE-RPC binds, and of DCE-RPC requests the header alone (in SMB 1 transactions, the beginning). Reads and writes of files
//! are none, so that no file content ever leaves the kernel.

use crate::{
    payload::{MOST_OF_PIECE, SESSION_REQUEST},
    smb::{SMB1, SMB2},
};

/// Bytes that are enough to tell: the deepest look is at the DCE-RPC header in an SMB2 request (124 + 8).
pub const GLIMPSE: usize = 132;

/// Bytes of one message at most; what is longer is cut. Kerberos tickets with large authorisation data fit.
pub const LONGEST: u32 = 8_192;

/// Bytes of a datagram at most.
pub const LONGEST_DATAGRAM: u32 = 512;

/// Bytes of an SMB1 transaction at most: its names, and a DCE-RPC bind.
const LONGEST_TRANSACTION: u32 = 512;

/// A NetBIOS session request (RFC 1002 4.3.2).
const SESSION_REQUEST_LEN: u32 = 72;

/// DCE-RPC request header up to and including the operation number (C706 12.6.4.9).
const RPC_REQUEST_HEADER: u32 = 24;

/// The bytes that are looked at. What lies behind `have` is meaningless.
#[derive(Clone, Copy)]
pub struct Glimpse<'a> {
    /// Bytes.
    pub bytes: &'a [u8; MOST_OF_PIECE],
    /// How many of them are of the payload.
    pub have: u32,
}

impl Glimpse<'_> {
    #[inline(always)]
    const fn holds(&self, bytes: usize) -> bool {
        self.have as usize >= bytes
    }
}

/// Bytes from a message's NetBIOS session header on that the agent is to see; 0 for none. `opening` as in
/// [`Content::opening`](crate::payload::Content::opening).
#[inline(always)]
#[must_use]
pub const fn of_message(glimpse: &Glimpse<'_>, opening: u8) -> u32 {
    match opening {
        SESSION_REQUEST => SESSION_REQUEST_LEN,
        SMB2 => of_smb2(glimpse),
        SMB1 => of_smb1(glimpse),
        _ => 0,
    }
}

/// The whole message, by the length in its session header (MS-SMB2 2.1: 24 bits).
#[inline(always)]
const fn whole(glimpse: &Glimpse<'_>) -> u32 {
    let [_, a, b, c] = [glimpse.bytes[0], glimpse.bytes[1], glimpse.bytes[2], glimpse.bytes[3]];
    at_most((a as u32) << 16 | (b as u32) << 8 | c as u32, LONGEST - 4) + 4
}

/// One SMB2 message of those that came together, by its session header and the offset of the next (MS-SMB2 2.2.1.2,
/// NextCommand): what is behind may be a write of a file.
#[inline(always)]
const fn whole_smb2(glimpse: &Glimpse<'_>) -> u32 {
    let [a, b, c, d] = [glimpse.bytes[24], glimpse.bytes[25], glimpse.bytes[26], glimpse.bytes[27]];
    match u32::from_le_bytes([a, b, c, d]) {
        0 => whole(glimpse),
        next => at_most(at_most(next, LONGEST - 4) + 4, whole(glimpse)),
    }
}

#[inline(always)]
const fn at_most(value: u32, most: u32) -> u32 {
    if value < most { value } else { most }
}

/// MS-SMB2 2.2.1.2: command at byte 12 of the header, flags at 16. 0 to 4 are NEGOTIATE, SESSION_SETUP, LOGOFF,
/// TREE_CONNECT, TREE_DISCONNECT. READ, WRITE and IOCTL carry named pipes; where their data begins is what every known
/// implementation sends (2.2.20, 2.2.21, 2.2.31, 2.2.32).
#[inline(always)]
const fn of_smb2(glimpse: &Glimpse<'_>) -> u32 {
    if !glimpse.holds(4 + 24) || glimpse.bytes[17] != 0 {
        return 0;
    }
    let reply = glimpse.bytes[20] & 1 != 0;
    match (glimpse.bytes[16], reply) {
        (0..=4, _) => whole_smb2(glimpse),
        (8, true) => of_pipe::<84>(glimpse, whole_smb2(glimpse)),
        (9, false) => of_pipe::<116>(glimpse, whole_smb2(glimpse)),
        (11, false) => of_pipe::<124>(glimpse, whole_smb2(glimpse)),
        (11, true) => of_pipe::<116>(glimpse, whole_smb2(glimpse)),
        _ => 0,
    }
}

/// MS-CIFS 2.2.3.1: command at byte 4 of the header. NEGOTIATE, SESSION_SETUP_ANDX, LOGOFF_ANDX, TREE_CONNECT_ANDX,
/// TREE_CONNECT, TREE_DISCONNECT; TRANSACTION, which carries named pipes and mailslots alone; and pipes read and
/// written like files (2.2.4.42, 2.2.4.43), with and without a byte of padding.
#[inline(always)]
const fn of_smb1(glimpse: &Glimpse<'_>) -> u32 {
    if !glimpse.holds(9) {
        return 0;
    }
    match glimpse.bytes[8] {
        0x70..=0x75 => whole(glimpse),
        0x25 => at_most(whole(glimpse), LONGEST_TRANSACTION),
        0x2E => either(of_pipe::<63>(glimpse, whole(glimpse)), of_pipe::<64>(glimpse, whole(glimpse))),
        0x2F => either(of_pipe::<67>(glimpse, whole(glimpse)), of_pipe::<68>(glimpse, whole(glimpse))),
        _ => 0,
    }
}

#[inline(always)]
const fn either(one: u32, other: u32) -> u32 {
    if one != 0 { one } else { other }
}

/// A message of `whole` bytes whose data at `AT` is a DCE-RPC unit.
#[inline(always)]
const fn of_pipe<const AT: usize>(glimpse: &Glimpse<'_>, whole: u32) -> u32 {
    match unit::<AT>(glimpse) {
        Unit::Other => 0,
        Unit::Binding => whole,
        Unit::Request => at_most(whole, AT as u32 + RPC_REQUEST_HEADER),
    }
}

/// Bytes of a DCE-RPC unit that begins the payload; 0 for none.
#[inline(always)]
#[must_use]
pub const fn of_rpc(glimpse: &Glimpse<'_>) -> u32 {
    match unit::<0>(glimpse) {
        Unit::Other => 0,
        // C706 12.6.3.1: the unit's length at byte 8.
        Unit::Binding if glimpse.holds(10) => {
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

/// C706 12.6.3.1 and 14.1: version 5.0 or 5.1, type at byte 2, integers little-endian and characters ASCII at byte 4.
#[inline(always)]
const fn unit<const AT: usize>(glimpse: &Glimpse<'_>) -> Unit {
    let bytes = glimpse.bytes;
    if !glimpse.holds(AT + 8) || bytes[AT] != 5 || bytes[AT + 1] > 1 {
        return Unit::Other;
    }
    if bytes[AT + 4] != 0x10 || bytes[AT + 5] != 0 || bytes[AT + 6] != 0 || bytes[AT + 7] != 0 {
        return Unit::Other;
    }
    match bytes[AT + 2] {
        0 => Unit::Request,
        11..=16 => Unit::Binding,
        _ => Unit::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(header: &[(usize, u8)], length: u32, have: u32) -> u32 {
        let mut bytes = [0; MOST_OF_PIECE];
        bytes[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
        for (at, value) in header {
            bytes[*at] = *value;
        }
        let identifier = bytes[4];
        of_message(&Glimpse { bytes: &bytes, have }, identifier)
    }

    const V2: (usize, u8) = (4, SMB2);
    const V1: (usize, u8) = (4, SMB1);

    /// A DCE-RPC header of this type at `at`.
    fn rpc(at: usize, kind: u8) -> [(usize, u8); 3] {
        [(at, 5), (at + 2, kind), (at + 4, 0x10)]
    }

    #[test]
    fn session_set_up_and_tree_connect_are_wanted_whole_and_files_are_not() {
        for command in 0..=4 {
            assert_eq!(message(&[V2, (16, command)], 300, 300), 304, "{command}");
        }
        for command in [5, 6, 8, 9, 14, 16] {
            assert_eq!(message(&[V2, (16, command)], 300, 300), 0, "{command}");
            assert_eq!(message(&[V2, (16, command), (20, 1)], 300, 300), 0, "{command} reply");
        }
        for command in 0x70..=0x75 {
            assert_eq!(message(&[V1, (8, command)], 100, 100), 104, "{command:x}");
        }
        assert_eq!(message(&[V1, (8, 0x2E)], 100, 100), 0);
        assert_eq!(message(&[V1, (8, 0x32)], 100, 100), 0, "TRANSACTION2 carries files");
    }

    #[test]
    fn a_bind_in_a_pipe_is_wanted_whole_and_a_request_up_to_its_operation_number() {
        let with = |command: &[(usize, u8)], at, kind| [&[V2], command, &rpc(at, kind)[..]].concat();
        assert_eq!(message(&with(&[(16, 9)], 116, 11), 300, 300), 304);
        assert_eq!(message(&with(&[(16, 9)], 116, 0), 300, 300), 140);
        assert_eq!(message(&with(&[(16, 11)], 124, 0), 300, 300), 148);
        assert_eq!(message(&with(&[(16, 8), (20, 1)], 84, 12), 300, 300), 304);
        assert_eq!(message(&with(&[(16, 11), (20, 1)], 116, 12), 300, 300), 304);
        assert_eq!(message(&with(&[(16, 9)], 116, 2), 300, 300), 0, "a response carries data");
        assert_eq!(message(&with(&[(16, 9)], 116, 11), 300, 120), 0, "not enough to tell");
        let v1 = [&[V1, (8, 0x2F)], &rpc(68, 11)[..]].concat();
        assert_eq!(message(&v1, 200, 200), 204);
    }

    #[test]
    fn of_messages_that_came_together_the_first_is_wanted_alone() {
        for command in 0..=4 {
            assert_eq!(message(&[V2, (16, command), (24, 72)], 300, 300), 76, "{command}");
        }
        assert_eq!(message(&[V2, (16, 3), (25, 2)], 300, 300), 304, "the next one is not there");
        assert_eq!(message(&[V2, (16, 3), (27, 0xFF)], 0x00FF_FFFF, 1_400), LONGEST);
        let bind = [&[V2, (16, 9), (24, 200)], &rpc(116, 11)[..]].concat();
        assert_eq!(message(&bind, 300, 300), 204);
    }

    #[test]
    fn what_is_very_long_is_cut() {
        assert_eq!(message(&[V2, (16, 1)], 0x00FF_FFFF, 1_400), LONGEST);
        assert_eq!(message(&[V1, (8, 0x25)], 4_000, 1_400), LONGEST_TRANSACTION);
    }

    #[test]
    fn the_endpoint_mapper_is_read_by_its_own_length() {
        let mut bytes = [0; MOST_OF_PIECE];
        for (at, value) in rpc(0, 11) {
            bytes[at] = value;
        }
        bytes[8] = 72;
        assert_eq!(of_rpc(&Glimpse { bytes: &bytes, have: 72 }), 72);
        bytes[2] = 0;
        assert_eq!(of_rpc(&Glimpse { bytes: &bytes, have: 72 }), 24);
        bytes[0] = 4;
        assert_eq!(of_rpc(&Glimpse { bytes: &bytes, have: 72 }), 0);
    }

    #[test]
    fn less_than_a_header_is_nothing() {
        for have in 0..9 {
            assert_eq!(message(&[V1, (8, 0x72)], 100, have), 0);
            assert_eq!(message(&[V2, (16, 1)], 100, have), 0);
        }
    }
}
