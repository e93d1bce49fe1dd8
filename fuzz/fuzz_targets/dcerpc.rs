//! DCE-RPC PDUs.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::dcerpc;
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = dcerpc::read(bytes);
});
