//! Heads of HTTP messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::http;

fuzz_target!(|bytes: &[u8]| {
    let _ = http::read(bytes);
});
