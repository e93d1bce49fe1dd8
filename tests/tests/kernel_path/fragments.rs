//! Fragments: the first has the ports, the later ones have none.

use sensor_common::{
    counter::Counter,
    slot::{Side, mark::FRAGMENTED},
};
use sensor_tests::{
    Frame, Setup, VLAN,
    extension::{DESTINATION_OPTIONS, HOP_BY_HOP},
};

use crate::expect::{
    CLIENT, CLIENT_V6, Row, SERVER, SERVER_V6, counted, foreign, hold, kept, kept_syn, kept_syn_v6, syn,
    syn_v6,
};

#[test]
fn keeps_the_first_ipv4_fragment_and_counts_later_ones() {
    let later = counted(Counter::Fragment);
    let datagram = Frame::udp("10.0.0.2:138", "8.8.4.4:138").fragment(0, true).payload(&[0; 24]);
    let expected = kept(Side::Local, "10.0.0.2:138", "8.8.4.4:138", 52).udp().payload(24).marked(FRAGMENTED);
    let rows: [Row; 11] = [
        ("whole, may not be fragmented", syn().dont_fragment(), kept_syn(40).reported()),
        ("first", syn().fragment(0, true), kept_syn(40).marked(FRAGMENTED).reported()),
        ("first of UDP", datagram, expected.reported()),
        (
            "first, may not be fragmented",
            syn().fragment(0, true).dont_fragment(),
            kept_syn(40).marked(FRAGMENTED).reported(),
        ),
        (
            "first, tagged",
            syn().fragment(0, true).tag(VLAN, 9),
            kept_syn(40).marked(FRAGMENTED).vlan(9).reported(),
        ),
        ("second that would overwrite the flags", syn().fragment(1, true), counted(Counter::EvasiveFragment)),
        ("middle", syn().fragment(185, true), later.clone()),
        ("last", syn().fragment(185, false), later.clone()),
        ("last at the highest offset", syn().fragment(0x1FFF, false), later.clone()),
        ("later, behind options", syn().option_words(3).fragment(2, false), later),
        ("later, of another protocol", Frame::of(1, CLIENT, SERVER).fragment(185, false), foreign()),
    ];
    hold("keeps_the_first_ipv4_fragment_and_counts_later_ones", &Setup::default(), rows);
}

#[test]
fn keeps_the_first_ipv6_fragment_and_counts_later_ones() {
    let later = counted(Counter::Fragment);
    let first = || syn_v6().fragment(0, true);
    let rows: [Row; 9] = [
        ("first", first(), kept_syn_v6(68).marked(FRAGMENTED).reported()),
        ("atomic: first and last in one (RFC 6946)", syn_v6().fragment(0, false), kept_syn_v6(68).reported()),
        (
            "first, behind options",
            syn_v6().extension(HOP_BY_HOP, 0).fragment(0, true),
            kept_syn_v6(76).marked(FRAGMENTED).reported(),
        ),
        (
            "first, before options",
            first().extension(DESTINATION_OPTIONS, 0),
            kept_syn_v6(76).marked(FRAGMENTED).reported(),
        ),
        ("second", syn_v6().fragment(1, true), later.clone()),
        ("last", syn_v6().fragment(181, false), later.clone()),
        ("last at the highest offset", syn_v6().fragment(0x1FFF, false), later.clone()),
        ("later, behind options", syn_v6().extension(HOP_BY_HOP, 0).fragment(3, false), later),
        ("first, of another protocol", Frame::of(58, CLIENT_V6, SERVER_V6).fragment(0, true), foreign()),
    ];
    hold("keeps_the_first_ipv6_fragment_and_counts_later_ones", &Setup::default(), rows);
}

#[test]
fn first_fragment_counts_its_own_payload() {
    let rows: [Row; 2] = [
        (
            "IPv4",
            syn().fragment(0, true).payload(&[1; 12]),
            kept_syn(52).payload(12).marked(FRAGMENTED).reported(),
        ),
        (
            "IPv6",
            syn_v6().fragment(0, true).payload(&[1; 12]),
            kept_syn_v6(80).payload(12).marked(FRAGMENTED).reported(),
        ),
    ];
    hold("first_fragment_counts_its_own_payload", &Setup::default(), rows);
}
