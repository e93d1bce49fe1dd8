//! The sum of a TCP header, by which the agent checks the checksum of a segment that a piece holds.

use core::hint::black_box;

use crate::{
    bytes::Bytes,
    payload::{Content, MAX_PIECE_LEN, Piece},
};

/// Bytes of the longest TCP header there is, and four (RFC 9293 3.1).
const LONGEST: usize = 64;

/// Where the checksum is in the header.
const CHECKSUM: usize = 16;

/// Writes what is needed into the head of a piece that holds all of a segment. Its bytes serve as the place to sum up in, and are
/// to be written then. Where the header is not whole in the packet there is nothing to check.
#[inline(always)]
pub(super) fn sum<B: Bytes + Copy>(frame: B, content: &Content, piece: &mut Piece) {
    piece.head.segment_len = 0;
    let length = content.payload_at.wrapping_sub(content.segment_at);
    if length > 60 {
        return;
    }
    piece.bytes[..LONGEST].fill(0);
    if !frame.copy::<LONGEST>(content.segment_at as usize, &mut piece.bytes, 0, length) {
        return;
    }
    piece.head.header_sum = sum_of(&piece.bytes) as u16;
    piece.head.checksum = u16::from_ne_bytes([piece.bytes[CHECKSUM], piece.bytes[CHECKSUM + 1]]);
    piece.head.segment_len = (length + content.payload) as u16;
}

/// The one's complement sum of the first [`LONGEST`] bytes. Out of line and in a loop, for stack is scarce.
#[inline(never)]
fn sum_of(bytes: &[u8; MAX_PIECE_LEN]) -> u32 {
    let mut sum = 0;
    let mut at = 0;
    while at < LONGEST {
        sum += u32::from(u16::from_ne_bytes([bytes[at], bytes[at + 1]]));
        at = black_box(at + 2);
    }
    let folded = (sum & 0xFFFF) + (sum >> 16);
    (folded & 0xFFFF) + (folded >> 16)
}
