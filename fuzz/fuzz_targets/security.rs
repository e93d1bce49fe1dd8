//! Security blobs: NTLMSSP, SPNEGO, Kerberos.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::security;
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = security::read(bytes);
});
