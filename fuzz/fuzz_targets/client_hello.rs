//! The ClientHello with which TLS begins.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::client_hello;

fuzz_target!(|bytes: &[u8]| {
    let _ = client_hello::server_name(bytes);
});
