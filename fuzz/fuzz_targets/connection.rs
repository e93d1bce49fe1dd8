//! Messages of both sides of one connection: each is a byte that says the side, two of length, and that many bytes.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::{Dissector, FingerprintKey, Framing, Sender};
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut dissector = Dissector::new(FingerprintKey::new([7; 32]), Framing::NetBios);
    let mut rest = bytes;
    while let [side, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let from = if side.is_multiple_of(2) { Sender::Client } else { Sender::Server };
        let _ = dissector.message(from, &after[..length]);
        rest = &after[length..];
    }
});
