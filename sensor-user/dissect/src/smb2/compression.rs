//! The compression transform header (MS-SMB2 2.2.42), as far as it shows an exploit.

use zerocopy::{
    FromBytes, Immutable, KnownLayout, Unaligned,
    little_endian::{U16, U32},
};

use crate::wire::layout;

/// SMB2_COMPRESSION_TRANSFORM_HEADER_UNCHAINED, 2.2.42.1.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct WireHeader {
    protocol: [u8; 4],
    original_compressed_segment_size: U32,
    algorithm: U16,
    flags: U16,
    /// Offset to the compressed data; a chained header (2.2.42.2) has a length here.
    offset: U32,
}

/// SMB2_COMPRESSION_FLAG_CHAINED, 2.2.42.
const CHAINED: u16 = 0x0001;

/// Whether the size and the offset of an unchained header add up to more than 32 bits, so that a server that does not check
/// the sum allocates too little (CVE-2020-0796). `false` for an incomplete header.
#[must_use]
pub fn overflows(bytes: &[u8]) -> bool {
    let Ok(header) = layout::<WireHeader>(bytes, 0, "compression header") else { return false };
    let (size, offset) = (header.original_compressed_segment_size.get(), header.offset.get());
    header.protocol == *b"\xFCSMB" && header.flags.get() & CHAINED == 0 && size.checked_add(offset).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(size: u32, flags: u16, offset: u32) -> Vec<u8> {
        let mut bytes = b"\xFCSMB".to_vec();
        bytes.extend(size.to_le_bytes());
        bytes.extend([1, 0]);
        bytes.extend(flags.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes
    }

    #[test]
    fn sum_over_32_bits_overflows() {
        assert!(overflows(&header(u32::MAX, 0, 1)) && overflows(&header(16, 0, u32::MAX)));
        assert!(!overflows(&header(u32::MAX, 0, 0)) && !overflows(&header(4_096, 0, 64)));
    }

    #[test]
    fn chained_header_has_no_offset_and_a_cut_one_is_ignored() {
        assert!(!overflows(&header(u32::MAX, CHAINED, 64)));
        assert!(!overflows(&header(u32::MAX, 0, 64)[..15]));
    }
}
