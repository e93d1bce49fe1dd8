//! The ClientHello with which TLS begins.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::client_hello;
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = client_hello::server_name(bytes);
});
