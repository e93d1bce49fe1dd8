//! The checksum of a TCP segment that a piece holds whole (RFC 9293 3.1).

use sensor_common::{payload::PieceHead, slot::TCP};
use sensor_dissect::stream::Checksum;

/// Whether the checksum of the segment is right. It is unknown where the piece holds only a part of a segment, and where the field
/// holds the sum of the pseudo-header alone: the rest is left to the network interface, in frames of this machine and in those
/// that were joined.
pub(super) fn of(head: &PieceHead, bytes: &[u8]) -> Checksum {
    if head.transport != TCP || head.segment_len == 0 {
        return Checksum::Unknown;
    }
    let words = |address: [u32; 4]| if head.family == 4 { [0, 0, 0, address[3]] } else { address };
    let addresses = [words(head.local), words(head.remote)].concat();
    let pseudo: u32 = addresses.iter().map(|word| (word & 0xFFFF) + (word >> 16)).sum::<u32>()
        + u32::from(u16::from(TCP).to_be())
        + u32::from(head.segment_len.to_be());
    if folded(pseudo) == head.checksum {
        return Checksum::Unknown;
    }
    let payload: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum();
    if folded(pseudo + u32::from(head.header_sum) + payload) == u16::MAX {
        Checksum::Right
    } else {
        Checksum::Wrong
    }
}

/// The one's complement sum of the words that were added up.
const fn folded(sum: u32) -> u16 {
    let once = (sum & 0xFFFF) + (sum >> 16);
    ((once & 0xFFFF) + (once >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a segment from 10.0.0.2:50000 to 8.8.4.4:445 with three bytes of payload; its checksum was computed by another program.
    fn head(checksum: u16) -> PieceHead {
        let header: [u16; 10] = [50_000, 445, 0, 1, 0, 1, 0x5018, 64_240, 0, 0];
        let sum: u32 = header.iter().map(|word| u32::from(word.to_be())).sum::<u32>();
        PieceHead {
            transport: TCP,
            family: 4,
            local: [0, 0, 0, u32::from_ne_bytes([10, 0, 0, 2])],
            remote: [0, 0, 0, u32::from_ne_bytes([8, 8, 4, 4])],
            segment_len: 23,
            header_sum: folded(sum + u32::from(checksum.to_be())),
            checksum: checksum.to_be(),
            ..PieceHead::default()
        }
    }

    #[test]
    fn checksum_is_checked_where_it_is_there() {
        let right = 0x1559;
        assert_eq!(of(&head(right), b"abc"), Checksum::Right);
        assert_eq!(of(&head(right), b"abe"), Checksum::Wrong);
        assert_eq!(of(&head(right ^ 1), b"abc"), Checksum::Wrong);
        assert_eq!(of(&head(0x162B), b"abc"), Checksum::Unknown, "that of the pseudo-header alone");
        assert_eq!(of(&PieceHead { segment_len: 0, ..head(right) }, b"abc"), Checksum::Unknown);
    }
}
