//! The two ends of a connection by their roles, and which of them sent a message.

use super::{dcerpc, framing::Framing, http};

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The end that opened the connection.
    Client,
    /// The other end.
    Server,
}

impl Sender {
    /// The other one.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The sender of a message, as the message shows: the shape of its body or the response flag (MS-SMB2 2.2.1.2, MS-CIFS 2.2.3.1),
/// the type of a session packet (RFC 1002 4.3.1) or of a DCE-RPC PDU.
///
/// The shape counts more than the flag: servers answer requests that have the flag of responses.
#[must_use]
pub fn sender(framing: Framing, message: &[u8]) -> Option<Sender> {
    let response = match (framing, message) {
        (Framing::DceRpc, _) => !dcerpc::is_clients(message)?,
        (Framing::Http, _) => http::is_response(message),
        (_, [0x81, ..]) => false,
        (_, [0x82..=0x84, ..]) => true,
        (_, [0, _, _, _, smb @ ..]) => return by_shape(smb).or_else(|| by_flag(smb)),
        _ => return None,
    };
    Some(if response { Sender::Server } else { Sender::Client })
}

/// The sender of an SMB message by its flag.
fn by_flag(smb: &[u8]) -> Option<Sender> {
    let response = match smb {
        [0xFE, b'S', b'M', b'B', ..] => smb.get(16)? & 1 != 0,
        [0xFF, b'S', b'M', b'B', ..] => smb.get(9)? & 0x80 != 0,
        _ => return None,
    };
    Some(if response { Sender::Server } else { Sender::Client })
}

/// The sender of an SMB message with a body that only requests or only responses have: by its StructureSize (MS-SMB2 2.2.3 to
/// 2.2.10) or its WordCount (MS-CIFS 2.2.4.52, 2.2.4.53, 2.2.4.55; MS-SMB 2.2.4.6).
fn by_shape(smb: &[u8]) -> Option<Sender> {
    match smb {
        [0xFE, b'S', b'M', b'B', ..] => {
            let at = |place: usize| Some(u16::from_le_bytes([*smb.get(place)?, *smb.get(place + 1)?]));
            match (at(12)?, at(64)?) {
                (0x0000, 36) | (0x0001, 25) | (0x0003, 9) => Some(Sender::Client),
                (0x0000, 65) | (0x0001, 9) | (0x0003, 16) => Some(Sender::Server),
                _ => None,
            }
        }
        [0xFF, b'S', b'M', b'B', command, ..] => match (command, smb.get(32)?) {
            (0x73, 10 | 12 | 13) | (0x75, 4) => Some(Sender::Client),
            (0x72, 13 | 17) | (0x73, 3) | (0x75, 2 | 3 | 7) => Some(Sender::Server),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smb2(command: u8, response: bool, size: u8) -> Vec<u8> {
        let mut message = vec![0; 4 + 66];
        message[4..8].copy_from_slice(b"\xFESMB");
        (message[16], message[20], message[68]) = (command, response.into(), size);
        message
    }

    fn smb1(command: u8, response: bool, words: u8) -> Vec<u8> {
        let mut message = vec![0; 4 + 33];
        message[4..8].copy_from_slice(b"\xFFSMB");
        (message[8], message[13], message[36]) = (command, if response { 0x80 } else { 0 }, words);
        message
    }

    #[test]
    fn shape_of_the_body_counts_more_than_the_flag() {
        for flag in [false, true] {
            for (request, answer) in [((0, 36), (0, 65)), ((1, 25), (1, 9)), ((3, 9), (3, 16))] {
                let of = |(command, size)| sender(Framing::NetBios, &smb2(command, flag, size));
                assert_eq!((of(request), of(answer)), (Some(Sender::Client), Some(Sender::Server)));
            }
            for (request, answer) in [((0x73, 13), (0x73, 3)), ((0x75, 4), (0x75, 3))] {
                let of = |(command, words)| sender(Framing::NetBios, &smb1(command, flag, words));
                assert_eq!((of(request), of(answer)), (Some(Sender::Client), Some(Sender::Server)));
            }
        }
    }

    #[test]
    fn flag_counts_where_the_shape_says_nothing() {
        for (message, seen) in [
            (smb2(13, false, 4), Sender::Client),
            (smb2(13, true, 4), Sender::Server),
            (smb1(0x74, false, 2), Sender::Client),
            (smb1(0x73, true, 0), Sender::Server),
        ] {
            assert_eq!(sender(Framing::NetBios, &message), Some(seen));
            assert_eq!(sender(Framing::NetBios, &message[..30]), Some(seen), "the body is missing");
        }
    }
}
