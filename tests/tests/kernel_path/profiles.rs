//! The kernel program is loaded with the networks and ports of the profile: nothing that the profile would
//! match is filtered out before.

use sensor_common::counter::Counter;
use sensor_core::profile::ProfileName;
use sensor_tests::{Frame, Setup};

use crate::{
    classification::{inbound, outbound, row},
    expect::{counted, foreign, hold},
};

fn with(profile: ProfileName) -> Setup {
    let mut setup = Setup::default();
    setup.config.profile = profile;
    setup
}

const LAN: &str = "10.0.0.1";
/// Reserved by the registries, and in no list of Elastic's rules.
const THIS_NETWORK: &str = "0.1.2.3";
const BENCHMARK: &str = "198.18.0.1";

#[test]
fn sensor_passes_reserved_addresses() {
    let rows = [
        row("to this network", LAN, THIS_NETWORK, counted(Counter::Reserved)),
        row("from benchmark space", BENCHMARK, LAN, counted(Counter::Reserved)),
    ];
    hold("sensor_passes_reserved_addresses", &with(ProfileName::Sensor), rows);
}

#[test]
fn elastic_keeps_addresses_in_none_of_its_lists() {
    for profile in [ProfileName::ElasticV105, ProfileName::ElasticCurrent] {
        let mut setup = with(profile);
        setup.config.internal = vec!["20.20.0.0/16".parse().unwrap()];
        let rows = [
            row("to this network", LAN, THIS_NETWORK, outbound(LAN, THIS_NETWORK)),
            row("to a public network of ours", LAN, "20.20.1.1", outbound(LAN, "20.20.1.1")),
            row("to benchmark space", LAN, BENCHMARK, counted(Counter::Reserved)),
            row("from unique local space", "fd00::1", "2001:4860::1", counted(Counter::Transit)),
            ("to the endpoint mapper", Frame::tcp("10.0.0.1:50000", "8.8.4.4:135"), foreign()),
            ("to a name service", Frame::udp("10.0.0.1:50000", "8.8.4.4:137"), foreign()),
        ];
        hold("elastic_keeps_addresses_in_none_of_its_lists", &setup, rows);
    }
}

#[test]
fn netography_treats_everyone_else_as_external() {
    let rows = [
        row("from benchmark space", BENCHMARK, LAN, inbound(BENCHMARK, LAN)),
        row("from this network", THIS_NETWORK, LAN, inbound(THIS_NETWORK, LAN)),
        row("from unique local space", "fd00::1", "fd00::2", counted(Counter::Lateral)),
        row("from link-local space", "fe80::1", "fd00::2", inbound("fe80::1", "fd00::2")),
    ];
    hold("netography_treats_everyone_else_as_external", &with(ProfileName::Netography), rows);
}
