//! Datagrams of both sides of one connection: each is a byte that says the side, two of length, and that many bytes.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::{
    Sender, datagram,
    facts::{Datagrams, MAX_DATAGRAMS},
};
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut known = Datagrams::default();
    let mut rest = bytes;
    while let [side, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let from = if side.is_multiple_of(2) { Sender::Client } else { Sender::Server };
        let _ = datagram::read(&mut known, from, &after[..length]);
        assert!(known.exchanges.len() <= MAX_DATAGRAMS && known.messages.len() <= MAX_DATAGRAMS);
        rest = &after[length..];
    }
});
