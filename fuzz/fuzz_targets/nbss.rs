//! NetBIOS session packets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::nbss;

fuzz_target!(|bytes: &[u8]| {
    let _ = nbss::read(bytes);
});
