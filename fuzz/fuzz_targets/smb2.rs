//! SMB 2 and 3 messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::{Sender, smb2};

fuzz_target!(|bytes: &[u8]| {
    for from in [Sender::Client, Sender::Server] {
        let _ = smb2::read(bytes, from, |_| {});
    }
});
