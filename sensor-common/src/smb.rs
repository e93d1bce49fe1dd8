//! Recognises SMB by its first bytes, on any port.
//!
//! Takes the first bytes of a TCP payload. Says which kind of message they begin and which end is the server. Reads nothing
//! behind the message header.

use crate::{bytes::Bytes, classify::Server, payload};

/// Bytes of payload that are probed: a NetBIOS session header (RFC 1002 4.3.1) and four more.
pub const PROBE_LEN: u32 = 8;

/// Shortest packet that can hold an SMB message: IPv4, TCP, NetBIOS session header, SMB1 header (MS-CIFS 2.2.3.1).
pub const SHORTEST_PACKET: u32 = 20 + 20 + 4 + 32;

/// What a payload begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// None of the watched protocols.
    Other,
    /// An SMB message with this identifier byte.
    Message(u8),
    /// A NetBIOS session request (RFC 1002 4.3.2): an SMB message follows.
    SessionRequest,
}

impl Opening {
    /// The byte that identifies it: the identifier, the type of the session packet, or 0.
    #[inline(always)]
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Other => 0,
            Self::Message(identifier) => identifier,
            Self::SessionRequest => payload::SESSION_REQUEST,
        }
    }
}

/// Identifier of an SMB1 message (MS-CIFS 2.2.3.1).
pub const SMB1: u8 = 0xFF;
/// Identifier of an SMB2 or SMB3 message (MS-SMB2 2.2.1).
pub const SMB2: u8 = 0xFE;
/// Identifier of an encrypted message (MS-SMB2 2.2.41).
pub const TRANSFORMED: u8 = 0xFD;
/// Identifier of a compressed message (MS-SMB2 2.2.42).
pub const COMPRESSED: u8 = 0xFC;

/// The first [`PROBE_LEN`] bytes of a payload, as two words in wire order.
pub type Probe = [u32; 2];

/// "SMB" behind the identifier byte.
const SMB: u32 = 0x0053_4D42;

/// Session request (0x81), no flags, 68 bytes: two encoded names.
const SESSION_REQUEST: u32 = 0x8100_0044;

/// Reads the beginning of a payload.
///
/// An SMB message is a session message whose protocol identifier is FF (MS-CIFS 2.2.3.1), FE (MS-SMB2 2.2.1), FD
/// (transformed, 2.2.41) or FC (compressed, 2.2.42) and "SMB". A session request names two encoded NetBIOS names of 34
/// bytes, the first of which begins with its length, 32, and letters of the half-ASCII encoding (RFC 1001 14.1), A to P.
#[inline(always)]
#[must_use]
pub const fn opening(probe: Probe) -> Opening {
    let (head, next) = (u32::from_be(probe[0]), u32::from_be(probe[1]));
    if next & 0x00FF_FFFF == SMB && next >> 24 >= 0xFC && head >> 24 == 0 {
        return Opening::Message((next >> 24) as u8);
    }
    let letters = (next >> 16 & 0xFF).wrapping_sub(0x41) < 16 && (next >> 8 & 0xFF).wrapping_sub(0x41) < 16;
    if head == SESSION_REQUEST && next >> 24 == 0x20 && letters {
        return Opening::SessionRequest;
    }
    Opening::Other
}

/// Whether a payload may begin a message: [`opening`] says that it does not where this does not.
#[inline(always)]
#[must_use]
pub const fn may_open(probe: Probe) -> bool {
    probe[1] & 0x00FF_FFFF_u32.to_be() == SMB.to_be() || probe[0] == SESSION_REQUEST.to_be()
}

/// Bytes of a session header (RFC 1002 4.3.1).
const SESSION_HEADER: u32 = 4;

/// What stands where a message is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    /// Too little is there to tell.
    Early,
    /// No message.
    Not,
    /// An SMB message with this identifier byte, of so many bytes with its session header.
    Message(u8, u32),
    /// A NetBIOS session request, of so many bytes.
    SessionRequest(u32),
    /// Another packet of a NetBIOS session, of so many bytes: a response to a session request, a keep-alive or an empty message.
    SessionPacket(u32),
}

/// Reads the first bytes of what is to be a message; the first `known` of them are there.
///
/// A session header is a type, seven bits of flags and 17 bits of length (RFC 1002 4.3.1), or 24 bits of length (MS-SMB2 2.1).
/// Responses to session requests have 0, 1 or 6 bytes, keep-alives none (4.3.3 to 4.3.7).
#[inline(always)]
#[must_use]
pub const fn framed(probe: Probe, known: u32) -> Framed {
    let head = u32::from_be(probe[0]);
    let (kind, length) = (head >> 24, head & 0x00FF_FFFF);
    if known == 0 {
        return Framed::Early;
    }
    if kind == 0 {
        return match opening(probe) {
            Opening::Message(identifier) if known >= PROBE_LEN => {
                Framed::Message(identifier, SESSION_HEADER + length)
            }
            _ if known < SESSION_HEADER => Framed::Early,
            _ if length == 0 => Framed::SessionPacket(SESSION_HEADER),
            _ if known < PROBE_LEN => Framed::Early,
            _ => Framed::Not,
        };
    }
    match kind {
        0x81..=0x85 if known < SESSION_HEADER => Framed::Early,
        0x81 if known < PROBE_LEN => Framed::Early,
        0x81 => match opening(probe) {
            Opening::SessionRequest => Framed::SessionRequest(SESSION_HEADER + length),
            _ => Framed::Not,
        },
        0x82..=0x85 if length <= 6 => Framed::SessionPacket(SESSION_HEADER + length),
        _ => Framed::Not,
    }
}

/// Which end of the packet is the server: by the message's own reply flag or, if that is hidden (transformed, compressed),
/// by the lower port. `payload_at` is the offset of the NetBIOS session header.
#[inline(always)]
pub fn server<B: Bytes + Copy>(
    frame: B,
    payload_at: usize,
    opening: Opening,
    source_port: u16,
    destination_port: u16,
) -> Server {
    if let Opening::SessionRequest = opening {
        return Server::Destination;
    }
    // One load that is longer than the probe, so that it has its own bounds check.
    let reply = match frame.load_deep::<[u32; 6]>(payload_at) {
        Some([_, identifier, _, flags1, _, flags2]) => match u32::from_be(identifier) >> 24 {
            // MS-CIFS 2.2.3.1: Flags at byte 9 of the header, SMB_FLAGS_REPLY.
            0xFF => Some(u32::from_be(flags1) & 0x0080_0000 != 0),
            // MS-SMB2 2.2.1.2: Flags at byte 16 of the header, little-endian, SMB2_FLAGS_SERVER_TO_REDIR.
            0xFE => Some(u32::from_be(flags2) & 0x0100_0000 != 0),
            _ => None,
        },
        None => None,
    };
    match reply {
        Some(true) => Server::Source,
        Some(false) => Server::Destination,
        None if u16::from_be(source_port) < u16::from_be(destination_port) => Server::Source,
        None => Server::Destination,
    }
}

/// Whether a message that begins like SMB has a header like SMB. Four bytes of a file may look like an identifier; on a port
/// that is not watched more is asked for: a length that holds the header, a command that exists and flags that exist (MS-CIFS
/// 2.2.2.1, 2.2.3.1; MS-SMB2 2.2.1.2, 2.2.41, 2.2.42). `payload_at` is where the NetBIOS session header begins.
#[inline(always)]
pub fn is_credible<B: Bytes + Copy>(frame: B, payload_at: usize, opening: Opening) -> bool {
    let Opening::Message(identifier) = opening else { return true };
    let Some([head, _, second, third, fourth, fifth]) = frame.load_deep::<[u32; 6]>(payload_at) else {
        return false;
    };
    let length = u32::from_be(head) & 0x00FF_FFFF;
    let (second, third, fourth) = (u32::from_be(second), u32::from_be(third), u32::from_be(fourth));
    match identifier {
        SMB2 => {
            let command = (fourth >> 16).swap_bytes() >> 16;
            length >= 64 && second >> 16 == 0x4000 && command <= 18 && u32::from_le(fifth) & !SMB2_FLAGS == 0
        }
        SMB1 => {
            let flags2 = (third & 0xFF) << 8 | third >> 8 & 0xFF;
            length >= 35 && is_smb1_command(second >> 24) && flags2 & !SMB1_FLAGS2 == 0
        }
        TRANSFORMED => length >= 52,
        _ => length >= 16,
    }
}

/// Flags that exist: response, asynchronous, related, signed, priority, DFS, replay (MS-SMB2 2.2.1.2).
const SMB2_FLAGS: u32 = 0x3000_007F;

/// Bits of Flags2 that exist (MS-CIFS 2.2.3.1, MS-SMB 2.2.3.1).
const SMB1_FLAGS2: u32 = 0xFC5F;

/// Ranges of commands that exist (MS-CIFS 2.2.2.1).
#[inline(always)]
const fn is_smb1_command(command: u32) -> bool {
    matches!(command, 0..=0x35 | 0x70..=0x75 | 0x80..=0x84 | 0xA0..=0xA5 | 0xC0..=0xC3 | 0xD0..=0xD7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(bytes: [u8; 8]) -> Probe {
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        [word(0), word(4)]
    }

    fn opening(bytes: [u8; 8]) -> Opening {
        super::opening(probe(bytes))
    }

    #[test]
    fn every_smb_identifier_is_a_message_and_no_neighbour_is() {
        for first in [0xFC, 0xFD, 0xFE, 0xFF] {
            assert_eq!(opening([0, 0, 1, 2, first, b'S', b'M', b'B']), Opening::Message(first));
        }
        for wrong in [
            [0, 0, 1, 2, 0xFB, b'S', b'M', b'B'],
            [0, 0, 1, 2, 0xFE, b's', b'M', b'B'],
            [1, 0, 1, 2, 0xFE, b'S', b'M', b'B'],
            *b"GET / HT",
            [0x16, 3, 1, 2, 0, 1, 0, 1],
        ] {
            assert_eq!(opening(wrong), Opening::Other, "{wrong:?}");
        }
    }

    #[test]
    fn frames_a_message_once_its_identifier_is_there() {
        let framed = |bytes: [u8; 8], known| framed(probe(bytes), known);
        let message = [0, 1, 0, 2, 0xFE, b'S', b'M', b'B'];
        for known in 0..8 {
            assert_eq!(framed(message, known), Framed::Early, "{known}");
        }
        assert_eq!(framed(message, 8), Framed::Message(SMB2, 0x1_0006));
        assert_eq!(framed([0, 0, 0, 2, 0xFE, b'S', b'M', b'X'], 8), Framed::Not);
        assert_eq!(framed([0, 0, 0, 0, 9, 9, 9, 9], 4), Framed::SessionPacket(4));
        assert_eq!(framed([0x85, 0, 0, 0, 9, 9, 9, 9], 4), Framed::SessionPacket(4));
        assert_eq!(framed([0x83, 0, 0, 1, 0x82, 0, 0, 0], 8), Framed::SessionPacket(5));
        assert_eq!(framed([0x85, 0, 0, 0, 9, 9, 9, 9], 3), Framed::Early);
        assert_eq!(framed([0x85, 0, 0, 9, 9, 9, 9, 9], 4), Framed::Not);
        let request = [0x81, 0, 0, 68, 0x20, b'E', b'P', b'A'];
        assert_eq!((framed(request, 7), framed(request, 8)), (Framed::Early, Framed::SessionRequest(72)));
        for first in [1, 0x16, b'G', 0x80, 0x86, 0xFF] {
            assert_eq!(framed([first, 0, 0, 0, 0, 0, 0, 0], 1), Framed::Not, "{first}");
        }
    }

    #[test]
    fn session_request_names_encoded_names() {
        assert_eq!(opening([0x81, 0, 0, 68, 0x20, b'E', b'P', b'A']), Opening::SessionRequest);
        assert_eq!(opening([0x81, 0, 0, 68, 0x20, b'E', b'Q', b'A']), Opening::Other);
        assert_eq!(opening([0x81, 0, 0, 69, 0x20, b'E', b'P', b'A']), Opening::Other);
    }

    #[test]
    fn whatever_opens_a_message_may_open_one() {
        let messages = [SMB1, SMB2, TRANSFORMED, COMPRESSED].map(|byte| [0, 1, 2, 3, byte, b'S', b'M', b'B']);
        for bytes in messages.iter().chain(&[[0x81, 0, 0, 68, 0x20, b'E', b'P', b'A']]) {
            assert!(opening(*bytes) != Opening::Other && may_open(probe(*bytes)), "{bytes:?}");
        }
        assert!(!may_open(probe(*b"GET / HT")) && !may_open(probe([0x5A; 8])));
    }

    #[test]
    fn reply_flag_shows_the_server_and_the_port_where_it_is_hidden() {
        let mut message = [0u8; 64];
        message[4..8].copy_from_slice(&[0xFE, b'S', b'M', b'B']);
        let (high, low) = (50_000u16.to_be(), 4445u16.to_be());
        assert_eq!(server(&message[..], 0, Opening::Message(SMB2), high, low), Server::Destination);
        message[20] = 1;
        assert_eq!(server(&message[..], 0, Opening::Message(SMB2), high, low), Server::Source);
        message[4] = 0xFF;
        message[13] = 0x80;
        assert_eq!(server(&message[..], 0, Opening::Message(SMB2), high, low), Server::Source);
        message[4] = 0xFD;
        assert_eq!(server(&message[..], 0, Opening::Message(SMB2), high, low), Server::Destination);
        assert_eq!(server(&message[..], 0, Opening::Message(SMB2), low, high), Server::Source);
    }

    #[test]
    fn mere_identifier_is_not_credible() {
        let of = |identifier: u8, set: &[(usize, u8)]| {
            let mut message = [0u8; 68];
            message[3] = 64;
            message[4..8].copy_from_slice(&[identifier, b'S', b'M', b'B']);
            set.iter().for_each(|(at, value)| message[*at] = *value);
            is_credible(&message[..], 0, Opening::Message(identifier))
        };
        let smb2 = |more: &[(usize, u8)]| of(SMB2, &[&[(8, 64)], more].concat());
        assert!(smb2(&[]) && smb2(&[(16, 18)]) && smb2(&[(20, 0x39)]) && smb2(&[(23, 0x30)]));
        let wrong: [&[(usize, u8)]; 7] =
            [&[(8, 63)], &[(9, 1)], &[(16, 19)], &[(17, 1)], &[(20, 0x80)], &[(23, 0x40)], &[(3, 63)]];
        assert!(wrong.iter().all(|more| !smb2(more)));
        let smb1 = |more: &[(usize, u8)]| of(SMB1, &[&[(8, 0x72)], more].concat());
        assert!(smb1(&[]) && smb1(&[(14, 0x53), (15, 0xC8)]) && smb1(&[(8, 0)]));
        let wrong: [&[(usize, u8)]; 4] = [&[(8, 0x50)], &[(14, 0x20)], &[(15, 2)], &[(3, 34)]];
        assert!(wrong.iter().all(|more| !smb1(more)));
        assert!(of(TRANSFORMED, &[]) && !of(TRANSFORMED, &[(3, 51)]));
        assert!(of(COMPRESSED, &[(3, 16)]) && !of(COMPRESSED, &[(3, 15)]));
        assert!(!is_credible(&[0, 0, 0, 96, SMB2, b'S', b'M', b'B', 64][..], 0, Opening::Message(SMB2)));
    }
}
