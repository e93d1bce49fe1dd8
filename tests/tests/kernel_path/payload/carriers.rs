//! The same message in different packets.

use sensor_common::{
    payload::PieceKind::Message,
    slot::{Side::Local, tcp},
};
use sensor_tests::{
    Frame, QINQ, Setup, VLAN,
    extension::{DESTINATION_OPTIONS, HOP_BY_HOP},
};

use super::{
    ENDS, Ends, alone, follow,
    message::{REQUEST, of_smb2, smb2},
    segment,
};
use crate::{
    encapsulation::{self, ETHERNET, GRE, IPIP, IPV4, IPV6, IPV6_IN_IP, gre, ip, vxlan},
    expect::{CLIENT_V6, SERVER_V6},
    pppoe::{PPP_IPV4, PPP_IPV6},
    tunnels::VXLAN,
};

const ENDS_V6: Ends = (CLIENT_V6, SERVER_V6);

fn message() -> Vec<u8> {
    of_smb2(smb2::SESSION_SETUP, REQUEST, 300)
}

#[test]
fn reports_a_message_alike_over_every_link_and_network_header() {
    let over = |ends: Ends, name: &str, bend: fn(Frame) -> Frame| {
        alone(name, segment(ends, Local, 0xFEDC_BA98, &message()).modified(bend).reported_whole(Message))
    };
    let behind_options = |ends: Ends, name: &str| {
        let options = [&[1; 12][..], &message()].concat();
        let sent = segment(ends, Local, 77, &message());
        alone(name, sent.modified(|frame| frame.payload(&options).data_offset(8)).reported_whole(Message))
    };
    let rows = vec![
        over(ENDS, "IPv4", |frame| frame),
        over(ENDS, "IPv4 with options", |frame| frame.option_words(10)),
        over(ENDS, "tagged", |frame| frame.tag(VLAN, 7)),
        over(ENDS, "tagged twice", |frame| frame.tag(QINQ, 7).tag(VLAN, 8)),
        over(ENDS, "in a PPPoE session", |frame| frame.pppoe(PPP_IPV4)),
        over(ENDS, "a first fragment", |frame| frame.fragment(0, true)),
        over(ENDS, "padded", |frame| frame.padding(9)),
        over(ENDS, "with PSH, ECE and CWR", |frame| frame.flags(tcp::ACK | 0xC8)),
        over(ENDS_V6, "IPv6", |frame| frame),
        over(ENDS_V6, "IPv6, tagged", |frame| frame.tag(VLAN, 7)),
        over(ENDS_V6, "IPv6 in a PPPoE session", |frame| frame.pppoe(PPP_IPV6)),
        over(ENDS_V6, "IPv6 with extension headers", |frame| {
            frame.extension(HOP_BY_HOP, 0).extension(DESTINATION_OPTIONS, 2)
        }),
        over(ENDS_V6, "an atomic fragment of IPv6", |frame| frame.fragment(0, false)),
        behind_options(ENDS, "behind TCP options"),
        behind_options(ENDS_V6, "behind TCP options, IPv6"),
    ];
    let test = "reports_a_message_alike_over_every_link_and_network_header";
    follow(test, &Setup::default(), rows);
}

#[test]
fn reports_a_tunnelled_message_with_the_inner_key() {
    let inside = |ends: Ends| segment(ends, Local, 5, &message());
    let (v4, v6) = (inside(ENDS).frame.packet(), inside(ENDS_V6).frame.packet());
    let frame = inside(ENDS).build();
    let outer = encapsulation::ENDS;
    let carried = [
        ("IPv4 in IPv4", ENDS, ip(outer, IPIP, &v4)),
        ("IPv6 in IPv4", ENDS_V6, ip(outer, IPV6_IN_IP, &v6)),
        ("GRE", ENDS, ip(outer, GRE, &gre(0, IPV4, &v4))),
        ("GRE with IPv6, tagged", ENDS_V6, ip(outer, GRE, &gre(0, IPV6, &v6)).tag(VLAN, 9)),
        ("GRE with Ethernet", ENDS, ip(encapsulation::ENDS_V6, GRE, &gre(0, ETHERNET, &frame))),
        ("VXLAN", ENDS, encapsulation::datagram(outer, VXLAN, &vxlan(&frame))),
    ];
    let rows = carried
        .map(|(name, ends, outer)| alone(name, inside(ends).reported_whole(Message).carried(outer.build())));
    let mut setup = Setup::default();
    setup.config.kernel.tunnels = true;
    follow("reports_a_tunnelled_message_with_the_inner_key", &setup, rows.to_vec());
}
