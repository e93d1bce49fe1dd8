//! Elements of ASN.1 in its distinguished encoding (DER, X.690), as far as a token needs them. The `der` crate decodes tag and
//! length; the content is returned as far as it is there.

use der::{Decode, Header, Reader, SliceReader, asn1::ObjectIdentifier};
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
    /// Its tag or length is not DER.
    #[error("the token is not DER")]
    Der,
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
    let tag = *bytes.first().ok_or(ElementError::Der)?;
    let mut reader = SliceReader::new(bytes).map_err(|_| ElementError::Der)?;
    let header = Header::decode(&mut reader).map_err(|_| ElementError::Der)?;
    let start = usize::try_from(reader.position()).map_err(|_| ElementError::Der)?;
    let length = usize::try_from(header.length()).map_err(|_| ElementError::Der)?;
    let rest = bytes.get(start..).unwrap_or_default();
    let (content, after) = rest.split_at(length.min(rest.len()));
    Ok(Element { tag, whole: rest.len() >= length, content, after })
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
        return Err(ElementError::Der);
    }
    ObjectIdentifier::from_bytes(element.content).map_err(|_| ElementError::Der)
}
