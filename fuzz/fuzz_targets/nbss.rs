//! NetBIOS session packets.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::nbss;
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = nbss::read(bytes);
});
