//! Payload of one side in pieces: each is a byte of flags, two of sequence number, two of length, and that many bytes.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::{
    Framing,
    stream::{Checksum, MAX_BUFFERED, Piece, Stream},
};
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let framing = if bytes.len().is_multiple_of(2) { Framing::NetBios } else { Framing::DceRpc };
    let mut stream = Stream::new(framing);
    let mut rest = bytes;
    while let [flags, s1, s0, l1, l0, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l1, *l0])).min(after.len());
        let given = stream.piece(Piece {
            // Near the end of the numbers, so that they wrap.
            sequence: u32::from(u16::from_be_bytes([*s1, *s0])).wrapping_sub(0x8000),
            bytes: &after[..length],
            missing: if flags & 2 == 0 { 0 } else { u32::from(*flags) << 4 },
            starts_message: flags & 1 != 0,
            last: flags & 4 != 0,
            checksum: match flags >> 4 & 3 {
                0 => Checksum::Right,
                1 => Checksum::Wrong,
                _ => Checksum::Unknown,
            },
            chained: if flags & 8 == 0 { 0 } else { u32::from(*flags) << 2 },
        });
        assert!(given.iter().all(|joined| joined.bytes.len() <= MAX_BUFFERED));
        assert!(stream.held() <= MAX_BUFFERED);
        rest = &after[length..];
    }
    stream.finish();
});
