//! NetBIOS name service packets.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::netbios_name;
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = netbios_name::read(bytes);
});
