//! Security blobs: NTLMSSP, SPNEGO, Kerberos.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::security;

fuzz_target!(|bytes: &[u8]| {
    let _ = security::read(bytes);
});
