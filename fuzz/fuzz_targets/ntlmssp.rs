//! NTLMSSP messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::ntlmssp;

fuzz_target!(|bytes: &[u8]| {
    let _ = ntlmssp::read(bytes);
});
