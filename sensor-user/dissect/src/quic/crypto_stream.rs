//! The bytes of a handshake, reassembled from CRYPTO frames (RFC 9000 19.6).

use std::ops::Range;

use super::packet::Cursor;

/// Most bytes of a ClientHello that are kept: one TLS record (RFC 8446 5.1).
pub(super) const MAX_HELLO: usize = 1 << 14;

/// Most pieces with gaps between them. Clients split and shuffle a ClientHello on purpose, so that nobody relies on its place.
const MAX_PIECES: usize = 64;

/// Frame types that an Initial packet may have (RFC 9000 12.4, table 3).
mod frame {
    pub(super) const PADDING: usize = 0x00;
    pub(super) const PING: usize = 0x01;
    pub(super) const ACK: usize = 0x02;
    pub(super) const ACK_ECN: usize = 0x03;
    pub(super) const CRYPTO: usize = 0x06;
}

/// What was received, by offset. The bytes that came first stay.
#[derive(Debug, Default)]
pub(super) struct CryptoStream {
    bytes: Vec<u8>,
    /// Received ranges in order, none of which touches another.
    received: Vec<Range<usize>>,
}

impl CryptoStream {
    /// The bytes from the beginning to the first gap.
    pub(super) fn bytes(&self) -> &[u8] {
        match self.received.first() {
            Some(first) if first.start == 0 => &self.bytes[..first.end],
            _ => &[],
        }
    }

    /// Whether no more is kept.
    pub(super) fn is_full(&self) -> bool {
        self.bytes().len() == MAX_HELLO || self.received.len() == MAX_PIECES
    }

    /// Takes the CRYPTO frames of a packet, up to a frame that an Initial packet does not have.
    pub(super) fn read(&mut self, frames: &[u8]) {
        let mut cursor = Cursor { bytes: frames, at: 0 };
        while !cursor.is_at_end() && self.frame(&mut cursor).is_some() {}
    }

    fn frame(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        match cursor.varint()? {
            frame::PADDING | frame::PING => {}
            kind @ (frame::ACK | frame::ACK_ECN) => {
                // Largest acknowledged, delay, number of ranges, first range; then a gap and a length for each.
                let [_, _, ranges, _] =
                    [cursor.varint()?, cursor.varint()?, cursor.varint()?, cursor.varint()?];
                let ecn_counts = if kind == frame::ACK_ECN { 3 } else { 0 };
                for _ in 0..ranges.checked_mul(2)?.checked_add(ecn_counts)? {
                    cursor.varint()?;
                }
            }
            frame::CRYPTO => {
                let offset = cursor.varint()?;
                let length = cursor.varint()?;
                self.put(offset, cursor.take(length)?);
            }
            _ => return None,
        }
        Some(())
    }

    fn put(&mut self, offset: usize, data: &[u8]) {
        let Some(space) = MAX_HELLO.checked_sub(offset) else { return };
        let mut data = &data[..data.len().min(space)];
        let mut at = offset;
        while !data.is_empty() && self.received.len() < MAX_PIECES {
            // What is known from `at` on, or the next thing that is.
            let next = self.received.iter().find(|range| range.end > at).cloned();
            let fresh = match next {
                Some(range) if range.start <= at => {
                    let known = (range.end - at).min(data.len());
                    (at, data) = (at + known, &data[known..]);
                    continue;
                }
                Some(range) => (range.start - at).min(data.len()),
                None => data.len(),
            };
            let end = at + fresh;
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes[at..end].copy_from_slice(&data[..fresh]);
            self.note(at..end);
            (at, data) = (end, &data[fresh..]);
        }
    }

    /// Adds a range that is not received yet.
    fn note(&mut self, added: Range<usize>) {
        let place = self.received.partition_point(|range| range.start < added.start);
        self.received.insert(place, added);
        self.received.dedup_by(|later, earlier| {
            let touches = earlier.end == later.start;
            if touches {
                earlier.end = later.end;
            }
            touches
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crypto(offset: u8, data: &[u8]) -> Vec<u8> {
        [&[6, offset, data.len() as u8], data].concat()
    }

    fn read(packets: &[Vec<u8>]) -> CryptoStream {
        let mut stream = CryptoStream::default();
        packets.iter().for_each(|packet| stream.read(packet));
        stream
    }

    #[test]
    fn frames_are_put_together_in_any_order() {
        let packets = [crypto(4, b"ef"), crypto(0, b"ab"), crypto(1, b"bcde")];
        assert_eq!(read(&packets[..1]).bytes(), b"");
        assert_eq!(read(&packets[..2]).bytes(), b"ab");
        assert_eq!(read(&packets).bytes(), b"abcdef");
        assert_eq!(read(&packets).received.len(), 1, "no gap is left");
    }

    #[test]
    fn first_bytes_stay_where_frames_disagree() {
        assert_eq!(read(&[crypto(1, b"bc"), crypto(0, b"XXXX")]).bytes(), b"XbcX");
    }

    #[test]
    fn passes_over_other_frames_and_stops_at_unknown_ones() {
        let ack = [2, 9, 0, 1, 0, 3, 1];
        let ack_ecn = [3, 9, 0, 0, 0, 1, 1, 1];
        let packet = [&[0, 0, 1], &ack[..], &ack_ecn, &crypto(0, b"ab")].concat();
        assert_eq!(read(&[packet]).bytes(), b"ab");
        assert_eq!(read(&[[&[0x1C, 0], &crypto(0, b"ab")[..]].concat()]).bytes(), b"");
        let huge_ack = [2, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0];
        assert_eq!(read(&[huge_ack.to_vec()]).bytes(), b"");
    }

    #[test]
    fn keeps_no_more_than_a_record_and_few_pieces() {
        let mut stream = CryptoStream::default();
        stream.put(0, &[1; MAX_HELLO + 9]);
        assert!(stream.bytes().len() == MAX_HELLO && stream.is_full());
        stream.put(usize::MAX, b"a");
        let mut pieces = CryptoStream::default();
        (0..1_000).for_each(|n| pieces.put(2 * n, b"a"));
        assert!(pieces.received.len() == MAX_PIECES && pieces.is_full());
    }
}
