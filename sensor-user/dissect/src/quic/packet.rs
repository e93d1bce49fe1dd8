//! Finds the Initial packets of a datagram, and decrypts their payload.

use rustls::quic::DirectionalKeys;
use serde::{Deserialize, Serialize};

/// Longest connection ID (RFC 9000 17.2).
const MAX_ID_LEN: usize = 20;

/// Bytes between the beginning of the packet number and the sample (RFC 9001 5.4.2).
const SAMPLE_AT: usize = 4;

/// A version of QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    /// RFC 9000.
    V1,
    /// RFC 9369.
    V2,
}

impl Version {
    fn of(number: u32) -> Option<Self> {
        match number {
            0x0000_0001 => Some(Self::V1),
            0x6B33_43CF => Some(Self::V2),
            _ => None,
        }
    }

    /// The number that a person reads.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// Type bits of an Initial packet and of a Retry (RFC 9000 17.2, RFC 9369 3.2).
    const fn initial_and_retry(self) -> (u8, u8) {
        match self {
            Self::V1 => (0, 3),
            Self::V2 => (1, 0),
        }
    }
}

impl From<Version> for rustls::quic::Version {
    fn from(version: Version) -> Self {
        match version {
            Version::V1 => Self::V1,
            Version::V2 => Self::V2,
        }
    }
}

/// A protected Initial packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) version: Version,
    pub(super) destination_id: &'a [u8],
    /// The whole packet.
    bytes: &'a [u8],
    /// Offset of the packet number.
    number_at: usize,
}

/// The Initial packets that a datagram begins with or that are coalesced with others in it (RFC 9000 12.2).
pub(super) fn initials(datagram: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let mut rest = datagram;
    let packets = std::iter::from_fn(move || {
        let (packet, behind) = long_header(rest)?;
        rest = behind;
        Some(packet)
    });
    packets.flatten()
}

/// Reads a packet with a long header. Gives it if it is an Initial, and what is behind it. `None` if no such packet begins
/// there, or its end is not known.
fn long_header(bytes: &[u8]) -> Option<(Option<Packet<'_>>, &[u8])> {
    let mut cursor = Cursor { bytes, at: 0 };
    let first = cursor.byte()?;
    if first & 0xC0 != 0xC0 {
        return None;
    }
    let version = Version::of(u32::from_be_bytes(cursor.take(4)?.try_into().ok()?))?;
    let kind = first >> 4 & 3;
    let (initial, retry) = version.initial_and_retry();
    if kind == retry {
        return None;
    }
    let destination_id = cursor.connection_id()?;
    cursor.connection_id()?;
    if kind == initial {
        let token = cursor.varint()?;
        cursor.take(token)?;
    }
    let length = cursor.varint()?;
    let number_at = cursor.at;
    cursor.take(length)?;
    let (bytes, behind) = bytes.split_at(cursor.at);
    let packet = Packet { version, destination_id, bytes, number_at };
    Some(((kind == initial).then_some(packet), behind))
}

impl Packet<'_> {
    /// The frames in the packet (RFC 9001 5.3, 5.4); `None` if these are not its keys.
    pub(super) fn decrypt(&self, keys: &DirectionalKeys) -> Option<Vec<u8>> {
        let mut bytes = self.bytes.to_vec();
        let (header, rest) = bytes.split_at_mut(self.number_at);
        let (number, behind) = rest.split_at_mut_checked(SAMPLE_AT)?;
        let sample = behind.get(..keys.header.sample_len())?;
        keys.header.decrypt_in_place(sample, &mut header[0], number).ok()?;
        let number_len = usize::from(header[0] & 3) + 1;
        // A client numbers its first packets from 0, so the truncated number is the number.
        let number = number[..number_len].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let (header, payload) = bytes.split_at_mut(self.number_at + number_len);
        keys.packet.decrypt_in_place(number, header, payload).ok().map(<[u8]>::to_vec)
    }
}

/// Reads from the front of bytes; every read is checked.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    /// A variable-length integer (RFC 9000 16).
    pub(super) fn varint(&mut self) -> Option<usize> {
        let first = self.byte()?;
        let rest = self.take((1 << (first >> 6)) - 1)?;
        let value = rest.iter().fold(u64::from(first & 0x3F), |value, byte| value << 8 | u64::from(*byte));
        usize::try_from(value).ok()
    }

    fn connection_id(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?);
        if length > MAX_ID_LEN {
            return None;
        }
        self.take(length)
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }
}
