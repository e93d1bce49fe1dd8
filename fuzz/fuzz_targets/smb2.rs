//! SMB 2 and 3 messages.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::{Sender, smb2};
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for from in [Sender::Client, Sender::Server] {
        let _ = smb2::read(bytes, from, |_| {});
    }
});
