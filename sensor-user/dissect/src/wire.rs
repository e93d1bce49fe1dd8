//! Bounds-checked reading of fixed layouts from a message.
//!
//! A message may be cut short, so a failed read names the field, its offset and the available length. Nothing here allocates.

use thiserror::Error;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// A read beyond the available bytes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{what}: {needed} bytes wanted at offset {at}, the message has {have}")]
pub struct Truncated {
    /// The field.
    pub what: &'static str,
    /// Offset in the message.
    pub at: usize,
    /// Bytes needed from there.
    pub needed: usize,
    /// Length of the message.
    pub have: usize,
}

/// The fixed layout `T` at an offset.
///
/// # Errors
/// [`Truncated`] if it does not lie within the bytes.
pub fn layout<'a, T>(bytes: &'a [u8], at: usize, what: &'static str) -> Result<&'a T, Truncated>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let truncated = Truncated { what, at, needed: size_of::<T>(), have: bytes.len() };
    let rest = bytes.get(at..).ok_or(truncated)?;
    T::ref_from_prefix(rest).map(|(layout, _)| layout).map_err(|_| truncated)
}

/// `length` bytes at an offset.
///
/// # Errors
/// [`Truncated`] if they are not all there.
pub fn slice<'a>(
    bytes: &'a [u8],
    at: usize,
    length: usize,
    what: &'static str,
) -> Result<&'a [u8], Truncated> {
    at.checked_add(length).and_then(|end| bytes.get(at..end)).ok_or(Truncated {
        what,
        at,
        needed: length,
        have: bytes.len(),
    })
}

/// `length` bytes at an offset, as far as they are there.
#[must_use]
pub fn available(bytes: &[u8], at: usize, length: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::little_endian::U32;

    #[test]
    fn read_beyond_the_end_names_the_field() {
        let bytes = [1, 2, 3, 4, 5];
        assert_eq!(layout::<U32>(&bytes, 1, "word").unwrap().get(), 0x0504_0302);
        let error = layout::<U32>(&bytes, 2, "word").unwrap_err();
        assert_eq!(error, Truncated { what: "word", at: 2, needed: 4, have: 5 });
        assert!(layout::<U32>(&bytes, usize::MAX, "word").is_err());
        assert!(slice(&bytes, 1, usize::MAX, "name").is_err());
    }

    #[test]
    fn gives_the_available_bytes_of_a_cut_field() {
        assert_eq!(available(&[1, 2, 3], 1, 9), [2, 3]);
        assert_eq!(available(&[1, 2, 3], 0, 2), [1, 2]);
        assert!(available(&[1, 2, 3], 4, 1).is_empty());
    }
}
