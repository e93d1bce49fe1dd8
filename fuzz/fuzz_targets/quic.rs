//! Datagrams of a QUIC client, one after another.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::quic::ClientInitials;
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut initials = ClientInitials::default();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for datagram in [first, second, bytes] {
        let _ = initials.read(datagram);
    }
});
