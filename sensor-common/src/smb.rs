//! Recognising SMB by its first bytes, whatever the port.
//!
//! Takes the first bytes of a TCP payload, says what they begin and which end the server is. Looks at nothing behind the
//! message header.

use crate::{bytes::Bytes, classify::Server, payload};

/// Bytes of payload that are probed: a NetBIOS session header (RFC 1002 4.3.1) and four more.
pub const PROBE_LEN: u32 = 8;

/// Shortest frame that can hold an SMB message: Ethernet, IPv4, TCP, NetBIOS session header, SMB1 header
/// (MS-CIFS 2.2.3.1).
pub const SHORTEST_FRAME: u32 = 14 + 20 + 20 + 4 + 32;

/// What a payload begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Nothing of ours.
    Other,
    /// An SMB message with this identifier byte.
    Message(u8),
    /// A NetBIOS session request (RFC 1002 4.3.2): an SMB message follows.
    SessionRequest,
}

impl Opening {
    /// The byte that says it: the identifier, the type of the session packet, or 0.
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

/// Which end of the packet is the server, by the message's own reply flag; where that is hidden (transformed, compressed),
/// by the lower port. `payload_at` is where the NetBIOS session header begins.
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
    // One load that is longer than the probe, so that its own bounds check stands.
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
    fn every_smb_identifier_is_a_message_and_its_neighbours_are_not() {
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
    fn a_message_is_framed_as_soon_as_its_identifier_is_there() {
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
    fn a_session_request_names_encoded_names() {
        assert_eq!(opening([0x81, 0, 0, 68, 0x20, b'E', b'P', b'A']), Opening::SessionRequest);
        assert_eq!(opening([0x81, 0, 0, 68, 0x20, b'E', b'Q', b'A']), Opening::Other);
        assert_eq!(opening([0x81, 0, 0, 69, 0x20, b'E', b'P', b'A']), Opening::Other);
    }

    #[test]
    fn the_reply_flag_tells_the_server_and_the_port_where_it_is_hidden() {
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
}
