//! NTLMSSP messages.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::ntlmssp;
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ntlmssp::read(bytes);
});
