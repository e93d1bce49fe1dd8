//! The source from which the packet path reads bytes: a frame in the kernel, a slice on the host.

use zerocopy::FromBytes;

use crate::payload::MAX_PIECE_LEN;

/// No header begins further into a frame than this.
pub const OFFSET_MASK: usize = 0x3FFF;

/// A frame that can be read at an offset.
///
/// Every load is bounds-checked. A load that reaches outside gives `None`, never a partial value.
pub trait Bytes {
    /// Reads a plain value of `size_of::<T>()` bytes at `offset` (bytes from the start of the frame), in wire order.
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T>;

    /// Returns `offset` unchanged. In the kernel the value passes through memory that the verifier knows nothing about, so the
    /// code that follows is verified once, not once for every path that leads to it. The mask bounds the value.
    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        offset & OFFSET_MASK
    }

    /// Like [`load`](Self::load), but also works if the frame is scattered over pages (payload of a locally sent packet).
    #[inline(always)]
    fn load_deep<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        self.load(offset)
    }

    /// Length of the whole frame if it is scattered and the caller knows only the first buffer.
    #[inline(always)]
    fn whole_len(&self) -> Option<u32> {
        None
    }

    /// Copies `length` bytes (1 to `MAX`, a power of two) from `offset` to place `at` of `target`, even if the frame is
    /// scattered. Returns `false` if they are not all there. `at` is below `MAX`, and 0 if that is [`MAX_PIECE_LEN`].
    fn copy<const MAX: usize>(
        &self,
        offset: usize,
        target: &mut [u8; MAX_PIECE_LEN],
        at: usize,
        length: u32,
    ) -> bool;
}

/// Returns `at` in a way that proves to the verifier that `most` bytes from there lie inside a target.
#[inline(always)]
#[must_use]
pub const fn place(at: usize, most: usize) -> usize {
    if most == MAX_PIECE_LEN { 0 } else { at & (most - 1) }
}

impl Bytes for &[u8] {
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        T::read_from_prefix(self.get(offset..)?).ok().map(|(value, _)| value)
    }

    fn whole_len(&self) -> Option<u32> {
        u32::try_from(self.len()).ok()
    }

    fn copy<const MAX: usize>(
        &self,
        offset: usize,
        target: &mut [u8; MAX_PIECE_LEN],
        at: usize,
        length: u32,
    ) -> bool {
        let (length, at) = (length as usize, place(at, MAX));
        match (self.get(offset..offset.saturating_add(length)), target.get_mut(at..at + length)) {
            (Some(bytes), Some(target)) => {
                target.copy_from_slice(bytes);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_past_the_end_is_none() {
        let frame: &[u8] = &[1, 2, 3, 4];
        assert_eq!(frame.load::<[u8; 4]>(0), Some([1, 2, 3, 4]));
        assert_eq!(frame.load::<[u8; 4]>(1), None);
        assert_eq!(frame.load::<u8>(4), None);
        assert_eq!(frame.load::<u8>(usize::MAX), None);
    }
}
