//! NetBIOS session service packets (RFC 1002 4.3) and the framing of SMB over plain TCP (MS-SMB2 2.1), which is the same
//! with all 24 bits of length.

use thiserror::Error;

use super::{
    netbios_name::{NameError, NetbiosName, first_level},
    wire::{Truncated, available, layout},
};

/// Bytes of the header.
pub const HEADER_LEN: usize = 4;

/// The four bytes before a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Packet type.
    pub kind: u8,
    /// Bytes that follow. The 7 bits between type and length are read as length, as direct TCP uses them.
    pub length: usize,
}

impl Header {
    /// Reads it from the front of `bytes`.
    ///
    /// # Errors
    /// [`Truncated`] if fewer than four bytes are there.
    pub fn read(bytes: &[u8]) -> Result<Self, Truncated> {
        let [kind, high, middle, low] = *layout::<[u8; HEADER_LEN]>(bytes, 0, "NetBIOS session header")?;
        Ok(Self { kind, length: u32::from_be_bytes([0, high, middle, low]) as usize })
    }
}

/// A packet, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Session message, RFC 1002 4.3.6.
    Message {
        /// The message, as far as it is there.
        bytes: &'a [u8],
        /// Bytes of it that are missing.
        missing: usize,
    },
    /// Session request, 4.3.2.
    Request {
        /// Called name.
        called: NetbiosName,
        /// Calling name.
        calling: NetbiosName,
    },
    /// Positive response, 4.3.3.
    Accepted,
    /// Negative response with its code, 4.3.4.
    Refused(u8),
    /// Retarget response, 4.3.5.
    Retarget,
    /// Keep-alive, 4.3.7.
    KeepAlive,
}

/// Why bytes are not a valid packet.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NbssError {
    /// It is cut short.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// A packet type that is not in RFC 1002.
    #[error("NetBIOS session packet type 0x{0:02x} is unknown")]
    Kind(u8),
    /// An invalid name in a session request.
    #[error("session request: {0}")]
    Name(#[from] NameError),
}

/// Reads a packet.
///
/// # Errors
/// [`NbssError`] for an unknown type, or if the packet is cut within its fixed fields.
pub fn read(bytes: &[u8]) -> Result<Packet<'_>, NbssError> {
    let header = Header::read(bytes)?;
    match header.kind {
        0x00 => {
            let message = available(bytes, HEADER_LEN, header.length);
            Ok(Packet::Message { bytes: message, missing: header.length - message.len() })
        }
        0x81 => {
            let (called, after) = first_level(bytes, HEADER_LEN)?;
            let (calling, _) = first_level(bytes, after)?;
            Ok(Packet::Request { called, calling })
        }
        0x82 => Ok(Packet::Accepted),
        0x83 => Ok(Packet::Refused(*layout::<u8>(bytes, HEADER_LEN, "refusal code")?)),
        0x84 => Ok(Packet::Retarget),
        0x85 => Ok(Packet::KeepAlive),
        kind => Err(NbssError::Kind(kind)),
    }
}

/// Whether a payload begins with an SMB message or a packet that opens a NetBIOS session.
#[must_use]
pub fn begins(payload: &[u8]) -> bool {
    matches!(
        payload,
        [0x00, _, _, _, 0xFC..=0xFF, b'S', b'M', b'B', ..]
            | [0x81, 0, 0, 68, 0x20, ..]
            | [0x82, 0, 0, 0]
            | [0x83, 0, 0, 1, _]
    )
}

/// Whether a payload is too short for [`begins`] and agrees with the start of an SMB message as far as it goes: a client may send the
/// header in a segment of its own.
#[must_use]
pub fn may_begin(payload: &[u8]) -> bool {
    const PROTOCOL_ID: [u8; 3] = *b"SMB";
    match payload {
        [0x00] | [0x00, _] | [0x00, _, _] | [0x00, _, _, _] => true,
        [0x00, _, _, _, 0xFC..=0xFF, rest @ ..] => {
            rest.len() < PROTOCOL_ID.len() && PROTOCOL_ID.starts_with(rest)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_header_may_begin_a_message() {
        let message = [0, 0, 1, 0, 0xFE, b'S', b'M', b'B'];
        for length in 1..message.len() {
            assert!(may_begin(&message[..length]), "{length} bytes");
            assert!(!begins(&message[..length]), "{length} bytes");
        }
        assert!(!may_begin(&message) && begins(&message));
        assert!(!may_begin(&[]) && !may_begin(b"G") && !may_begin(&[0, 0, 1, 0, 0xFE, b'S', b'X']));
    }

    #[test]
    fn header_says_how_much_is_missing() {
        let packet = read(&[0, 0, 1, 0, 0xFE, b'S', b'M', b'B']).unwrap();
        assert_eq!(packet, Packet::Message { bytes: &[0xFE, b'S', b'M', b'B'], missing: 252 });
    }

    #[test]
    fn session_request_names_both_ends() {
        let mut bytes = vec![0x81, 0, 0, 68];
        for name in ["CKFDENECFDEFFCFGEFFCCACACACACACA", "EDEMEJEFEOFECACACACACACACACACAAA"] {
            bytes.push(0x20);
            bytes.extend(name.as_bytes());
            bytes.push(0);
        }
        let Ok(Packet::Request { called, calling }) = read(&bytes) else { panic!("no request") };
        assert_eq!((called.name.as_str(), called.suffix), ("*SMBSERVER", 0x20));
        assert_eq!((calling.name.as_str(), calling.suffix), ("CLIENT", 0x00));
        for length in 0..bytes.len() - 1 {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn unknown_type_is_named() {
        assert_eq!(read(&[0x16, 3, 1, 0]), Err(NbssError::Kind(0x16)));
    }
}
