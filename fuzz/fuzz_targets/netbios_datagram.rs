//! NetBIOS datagrams.
#![cfg_attr(feature = "link", no_main)]

use sensor_dissect::netbios_datagram;
use sensor_fuzz::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = netbios_datagram::read(bytes);
});
