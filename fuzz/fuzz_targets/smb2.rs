//! SMB 2 and 3 messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::smb2;

fuzz_target!(|bytes: &[u8]| {
    let _ = smb2::read(bytes, |_| {});
});
