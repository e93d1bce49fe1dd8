//! Datagrams of a QUIC client, one after another.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::quic::ClientInitials;

fuzz_target!(|bytes: &[u8]| {
    let mut initials = ClientInitials::default();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for datagram in [first, second, bytes] {
        let _ = initials.read(datagram);
    }
});
