//! Input and output of a stream: pieces of payload, and messages.

use super::checksum::Checksum;

/// Payload of a TCP segment, or the head of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Piece<'a> {
    /// Sequence number of the first byte.
    pub sequence: u32,
    /// What there is of the payload.
    pub bytes: &'a [u8],
    /// Bytes of the payload behind those that were not captured.
    pub missing: u32,
    /// Whether a message is known to start here.
    pub starts_message: bool,
    /// Whether nothing behind these bytes is going to come of the message that they are of.
    pub last: bool,
    /// Not 0: a later message of a compound, of so many bytes, starts here. It has no session header of its own (MS-SMB2 3.2.4.1.4)
    /// and is given with one.
    pub chained: u32,
    /// The checksum of its segment.
    pub checksum: Checksum,
}

/// A message with its framing, or the head of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// What there is of it.
    pub bytes: Vec<u8>,
    /// Bytes of it that are missing at its end, as its framing says.
    pub missing: usize,
}

impl Joined {
    /// A message; with a session header in front if it is a later one of a compound.
    pub(super) fn of(mut bytes: Vec<u8>, missing: usize, is_chained: bool) -> Self {
        if is_chained {
            let [_, length @ ..] = ((bytes.len() + missing) as u32).to_be_bytes();
            bytes.splice(..0, [&[0], &length[..]].concat());
        }
        Self { bytes, missing }
    }
}
