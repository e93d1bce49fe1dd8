//! DCE-RPC PDUs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sensor_dissect::dcerpc;

fuzz_target!(|bytes: &[u8]| {
    let _ = dcerpc::read(bytes);
});
