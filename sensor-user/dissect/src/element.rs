//! Elements of ASN.1 in its basic encoding (BER, X.690 8.1), as far as a token needs them. The content of an element that is cut
//! short is returned up to the cut.
//!
//! RFC 4178 requires the distinguished encoding, but some clients write lengths with more bytes than needed, and servers accept
//! that. Tags of more than one byte and indefinite lengths are refused: no token has them.

use der::asn1::ObjectIdentifier;
use thiserror::Error;

/// Tags in use: constructed ones of application and context, and universal ones.
pub(super) mod tag {
    pub(crate) const APPLICATION: u8 = 0x60;
    pub(crate) const CONTEXT: u8 = 0xA0;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const OCTETS: u8 = 0x04;
    pub(crate) const ENUMERATED: u8 = 0x0A;
    pub(crate) const GENERAL_STRING: u8 = 0x1B;
}

/// Why bytes are not a valid element.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ElementError {
    /// Its tag, length or content is invalid.
    #[error("the token is not valid ASN.1")]
    Encoding,
    /// A different element than expected.
    #[error("{wanted} wanted in the token, tag 0x{found:02x} found")]
    Tag {
        /// The expected element.
        wanted: &'static str,
        /// The tag that was found.
        found: u8,
    },
}

/// An element, as far as it is there.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    /// Whether it is complete.
    pub(super) whole: bool,
    pub(super) content: &'a [u8],
    pub(super) after: &'a [u8],
}

pub(super) fn element(bytes: &[u8]) -> Result<Element<'_>, ElementError> {
    let [tag, rest @ ..] = bytes else { return Err(ElementError::Encoding) };
    if tag & NUMBER == NUMBER {
        return Err(ElementError::Encoding);
    }
    let (length, rest) = length(rest)?;
    let (content, after) = rest.split_at(length.min(rest.len()));
    Ok(Element { tag: *tag, whole: rest.len() >= length, content, after })
}

/// The bits of a tag that hold its number; all of them set say that it follows.
const NUMBER: u8 = 0x1F;

/// No token is longer than this; whoever says so says nothing.
const LONGEST: usize = 1 << 28;

/// Reads a length (X.690 8.1.3), which may have more bytes than it needs; gives it and what follows.
fn length(bytes: &[u8]) -> Result<(usize, &[u8]), ElementError> {
    let [first, rest @ ..] = bytes else { return Err(ElementError::Encoding) };
    let count = match first {
        0..=0x7F => return Ok((usize::from(*first), rest)),
        // Indefinite, and reserved.
        0x80 | 0xFF => return Err(ElementError::Encoding),
        long => usize::from(long & 0x7F),
    };
    let (length, rest) = rest.split_at_checked(count).ok_or(ElementError::Encoding)?;
    let length = length.iter().try_fold(0, |length: usize, byte| {
        Some(length << 8 | usize::from(*byte)).filter(|length| *length < LONGEST)
    });
    Ok((length.ok_or(ElementError::Encoding)?, rest))
}

pub(super) fn wanted<'a>(
    bytes: &'a [u8],
    tag: u8,
    wanted: &'static str,
) -> Result<Element<'a>, ElementError> {
    let element = element(bytes)?;
    if element.tag == tag { Ok(element) } else { Err(ElementError::Tag { wanted, found: element.tag }) }
}

/// A sequence of elements, up to the end of the bytes.
pub(super) fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let next = element(bytes).ok()?;
        bytes = next.after;
        Some(next)
    })
}

/// The content of the element at the beginning of `bytes`, if it has that tag.
pub(super) fn enter(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    wanted(bytes, tag, "").ok().map(|element| element.content)
}

/// The content of a numbered field of a sequence.
pub(super) fn field(sequence: &[u8], number: u8) -> Option<&[u8]> {
    elements(sequence).find(|element| element.tag == tag::CONTEXT + number).map(|element| element.content)
}

pub(super) fn identifier(element: &Element<'_>) -> Result<ObjectIdentifier, ElementError> {
    if !element.whole {
        return Err(ElementError::Encoding);
    }
    ObjectIdentifier::from_bytes(element.content).map_err(|_| ElementError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tag and content of the element that bytes begin with.
    fn read(bytes: &[u8]) -> Option<(u8, &[u8])> {
        element(bytes).ok().map(|element| (element.tag, element.content))
    }

    #[test]
    fn accepts_lengths_with_more_bytes_than_needed() {
        let short: &[u8] = &[0x04, 1, b'a', b'b'];
        let longer: &[u8] = &[0x04, 0x81, 1, b'a', b'b'];
        let longest: &[u8] = &[0x04, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'a', b'b'];
        for bytes in [short, longer, longest] {
            assert_eq!(read(bytes), Some((0x04, b"a".as_slice())), "{bytes:?}");
            assert_eq!(element(bytes).map(|element| element.after).ok(), Some(b"b".as_slice()));
        }
    }

    #[test]
    fn refuses_indefinite_and_absurd_lengths() {
        let cases: [&[u8]; 6] = [
            &[0x30, 0x80, 0x04, 0, 0, 0],
            &[0x30, 0xFF],
            &[0x30, 0x84, 0x7F, 0, 0, 0],
            &[0x30, 0x82, 1],
            &[0x30],
            &[0x3F, 0x81, 1, 0],
        ];
        for bytes in cases {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }
}
