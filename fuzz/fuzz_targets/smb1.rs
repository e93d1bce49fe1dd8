//! SMB 1 messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::{Sender, smb1};

fuzz_target!(|bytes: &[u8]| {
    for from in [Sender::Client, Sender::Server] {
        let _ = smb1::read(bytes, from);
    }
});
