//! NetBIOS datagrams.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::netbios_datagram;

fuzz_target!(|bytes: &[u8]| {
    let _ = netbios_datagram::read(bytes);
});
