//! NetBIOS name service packets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::netbios_name;

fuzz_target!(|bytes: &[u8]| {
    let _ = netbios_name::read(bytes);
});
