//! SMB 1 messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::smb1;

fuzz_target!(|bytes: &[u8]| {
    let _ = smb1::read(bytes);
});
