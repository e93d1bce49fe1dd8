//! NEGOEX tokens (MS-NEGOEX 2.2.6): messages in a row. Some carry the token of an authentication scheme.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned, little_endian::U32};

use super::wire::layout;

/// First bytes of every message.
pub const SIGNATURE: &[u8; 8] = b"NEGOEXTS";

/// Most messages of one token that are read.
const MAX_MESSAGES: usize = 8;

/// EXCHANGE_MESSAGE, 2.2.6.4.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Exchange {
    header: Header,
    scheme: [u8; 16],
    offset: U32,
    length: U32,
}

/// MESSAGE_HEADER, 2.2.6.2.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    signature: [u8; 8],
    kind: U32,
    sequence: U32,
    header_length: U32,
    message_length: U32,
    conversation: [u8; 16],
}

/// MESSAGE_TYPE, 2.2.6.1: INITIATOR_META_DATA to AP_REQUEST.
const EXCHANGES: std::ops::RangeInclusive<u32> = 2..=5;

/// The tokens of the schemes, message by message, as far as they are there.
pub fn exchanges(mut token: &[u8]) -> impl Iterator<Item = &[u8]> {
    let messages = std::iter::from_fn(move || {
        let header = layout::<Header>(token, 0, "NEGOEX header").ok()?;
        let length = header.message_length.get() as usize;
        if header.signature != *SIGNATURE || length < size_of::<Header>() {
            return None;
        }
        let (message, rest) = token.split_at(length.min(token.len()));
        token = rest;
        Some((header.kind.get(), message))
    });
    messages.take(MAX_MESSAGES).filter(|(kind, _)| EXCHANGES.contains(kind)).filter_map(|(_, message)| {
        let fields = layout::<Exchange>(message, 0, "NEGOEX exchange").ok()?;
        let rest = message.get(fields.offset.get() as usize..)?;
        Some(rest.get(..fields.length.get() as usize).unwrap_or(rest))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message of this type with the token of a scheme.
    pub(crate) fn message(kind: u32, says: &[u8]) -> Vec<u8> {
        let length = size_of::<Exchange>() + says.len();
        let mut message = SIGNATURE.to_vec();
        for number in [kind, 0, size_of::<Exchange>() as u32, length as u32] {
            message.extend(number.to_le_bytes());
        }
        message.extend([7; 32]);
        for number in [size_of::<Exchange>() as u32, says.len() as u32] {
            message.extend(number.to_le_bytes());
        }
        message.extend(says);
        message
    }

    #[test]
    fn returns_only_the_exchanges_of_a_token() {
        let token = [message(0, b"nego"), message(2, b"meta"), message(5, b"request")].concat();
        assert_eq!(exchanges(&token).collect::<Vec<_>>(), [b"meta".as_slice(), b"request"]);
    }

    #[test]
    fn survives_lies_and_cuts() {
        let mut far = message(5, b"request");
        far[56..60].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(exchanges(&far).count(), 0);
        let mut short = message(5, b"request");
        short[20..24].copy_from_slice(&0u32.to_le_bytes());
        assert_eq!(exchanges(&short).count(), 0);
        let whole = message(5, b"request");
        assert_eq!(exchanges(&whole[..whole.len() - 3]).collect::<Vec<_>>(), [b"requ"]);
        assert_eq!(exchanges(&message(5, b"").repeat(1000)).count(), MAX_MESSAGES);
    }
}
