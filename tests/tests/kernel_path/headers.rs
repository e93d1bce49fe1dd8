//! From the first byte to the ports: Ethernet, VLAN tags, MPLS labels, IPv4 options; and packets that are ignored.

use sensor_common::{
    counter::Counter,
    slot::{TCP, UDP, tcp},
};
use sensor_tests::{Frame, Outcome, QINQ, QINQ_OLD, Setup, VLAN};
use sensor_user::engine::host::HostEngine;

use crate::{
    encapsulation::{MPLS, labels},
    expect::{
        Flow, Row, SERVER, SERVER_V6, counted, foreign, hold, hold_bytes, kept_syn, kept_syn_v6, syn, syn_v6,
    },
};

/// With the service port of TCP at the other end, a port is watched whatever the transport.
const NETBIOS: &str = "10.0.0.2:137";
const NETBIOS_V6: &str = "[fd00:1::2]:137";

#[test]
fn keeps_a_watched_packet_under_up_to_two_tags() {
    let rows: [Row; 9] = [
        ("untagged IPv4", syn(), kept_syn(40).reported()),
        ("untagged IPv6", syn_v6(), kept_syn_v6(60).reported()),
        ("one tag gives its VLAN", syn().tag(VLAN, 7), kept_syn(40).vlan(7).reported()),
        ("a priority tag gives VLAN 0", syn().tag(VLAN, 0), kept_syn(40).vlan(0).reported()),
        ("priority bits are no part of the VLAN", syn().tag(VLAN, 0xF007), kept_syn(40).vlan(7).reported()),
        ("QinQ gives the outer VLAN", syn().tag(QINQ, 4095).tag(VLAN, 7), kept_syn(40).vlan(4095).reported()),
        ("old QinQ does too", syn().tag(QINQ_OLD, 9).tag(VLAN, 7), kept_syn(40).vlan(9).reported()),
        ("two customer tags do too", syn_v6().tag(VLAN, 1).tag(VLAN, 2), kept_syn_v6(60).vlan(1).reported()),
        ("a lone service tag is a tag", syn_v6().tag(QINQ, 3), kept_syn_v6(60).vlan(3).reported()),
    ];
    hold("keeps_a_watched_packet_under_up_to_two_tags", &Setup::default(), rows);
}

/// The same frame without a length of its IP packet, as segmentation offload leaves it.
fn without_length(frame: &Frame) -> Vec<u8> {
    let mut bytes = frame.build();
    let at = if bytes[12..14] == [0x08, 0x00] { 16 } else { 18 };
    bytes[at..at + 2].fill(0);
    bytes
}

#[test]
fn packet_without_a_length_has_that_of_its_frame() {
    let sizes: [u16; 3] = [1, 1_400, 3_000];
    let rows = sizes.into_iter().flat_map(|size| {
        let data = |frame: Frame| without_length(&frame.flags(tcp::ACK).payload(&vec![0; size.into()]));
        let kept = |flow: Flow| flow.flags(tcp::ACK).payload(size.into()).reported();
        let bytes = u64::from(size);
        [
            (format!("IPv4, {size} bytes"), data(syn()), kept(kept_syn(40 + bytes))),
            (format!("IPv6, {size} bytes"), data(syn_v6()), kept(kept_syn_v6(60 + bytes))),
        ]
    });
    hold_bytes("packet_without_a_length_has_that_of_its_frame", &Setup::default(), rows);
}

#[test]
fn offloaded_tag_outranks_those_in_the_frame() {
    // BPF_PROG_TEST_RUN has no way to pass such a tag: host alone.
    let mut host: HostEngine = Setup::default().host();
    let arrival = sensor_common::path::Arrival {
        hook: sensor_common::slot::Hook::TcIngress,
        ifindex: 1,
        link: sensor_common::headers::Link::Ethernet,
        frame_len: 58,
        vlan: 0x8000 | 77,
    };
    host.frame(&syn().tag(VLAN, 7).build(), arrival);
    let records = host.take_records();
    assert_eq!(sensor_tests::flows(&records).unwrap()[0].1.vlan, Some(77));
}

#[test]
fn ipv4_options_of_every_length_lead_to_the_ports() {
    let rows = (0..=10).map(|words| {
        let bytes = 40 + 4 * u64::from(words);
        ("options", syn().option_words(words).payload(&[1; 5]), kept_syn(bytes + 5).payload(5).reported())
    });
    hold("ipv4_options_of_every_length_lead_to_the_ports", &Setup::default(), rows);
}

#[test]
fn ignores_packets_other_than_tcp_and_udp_over_ip() {
    let ether = |kind: u16| syn().ethertype(kind);
    let rows: [Row; 17] = [
        ("ARP", ether(0x0806), foreign()),
        ("PPPoE discovery", ether(0x8863), foreign()),
        ("PPPoE session", ether(0x8864), foreign()),
        ("LLDP", ether(0x88CC), foreign()),
        ("an IEEE 802.3 length", ether(60), foreign()),
        ("ARP in a VLAN", ether(0x0806).tag(VLAN, 7), foreign()),
        ("ICMP", Frame::of(1, NETBIOS, SERVER), foreign()),
        ("GRE", Frame::of(47, NETBIOS, SERVER), foreign()),
        ("ESP", Frame::of(50, NETBIOS, SERVER), foreign()),
        ("SCTP", Frame::of(132, NETBIOS, SERVER), foreign()),
        ("IP in IP", Frame::of(4, NETBIOS, SERVER), foreign()),
        ("ICMPv6", Frame::of(58, NETBIOS_V6, SERVER_V6), foreign()),
        ("SCTP over IPv6", Frame::of(132, NETBIOS_V6, SERVER_V6), foreign()),
        ("version 6 behind the IPv4 type", syn().version(6), foreign()),
        ("version 4 behind the IPv6 type", syn_v6().version(4), foreign()),
        ("version 0", syn().version(0), foreign()),
        ("version 15", syn_v6().version(15), foreign()),
    ];
    hold("ignores_packets_other_than_tcp_and_udp_over_ip", &Setup::default(), rows);
}

#[test]
fn ipv4_header_shorter_than_five_words_is_no_ipv4() {
    // 1.189 is 445: taken for the header's end, either address would give a watched port.
    let rows = (0..5).map(|words| {
        let frame = Frame::tcp("10.0.1.189:50000", "8.8.1.189:445");
        ("short header", frame.header_words(words), foreign())
    });
    hold("ipv4_header_shorter_than_five_words_is_no_ipv4", &Setup::default(), rows);
}

#[test]
fn ignores_every_other_ip_protocol() {
    // Extension headers of IPv6 have fixtures of their own.
    let walked = [0, 43, 44, 51, 60, 135];
    let others = (0..=255).filter(|protocol| *protocol != TCP && *protocol != UDP);
    let rows = others.flat_map(|protocol| {
        let v6 = (!walked.contains(&protocol)).then(|| Frame::of(protocol, NETBIOS_V6, SERVER_V6));
        let v4 = Frame::of(protocol, NETBIOS, SERVER).payload(&[0; 40]);
        std::iter::once(v4).chain(v6).map(|frame| ("protocol", frame, Outcome::Untouched))
    });
    hold("ignores_every_other_ip_protocol", &Setup::default(), rows);
}

#[test]
fn counts_a_third_tag_without_parsing_it() {
    let three = syn().tag(QINQ, 1).tag(VLAN, 2).tag(VLAN, 3);
    let rows = [("three tags", three, counted(Counter::UnknownLink))];
    hold("counts_a_third_tag_without_parsing_it", &Setup::default(), rows);
}

/// An Ethernet frame whose packet is behind so many labels.
fn labelled(frame: &Frame, ethertype: u16, many: u8) -> Vec<u8> {
    let at = frame.build().len() - frame.packet().len();
    let link = &frame.clone().ethertype(ethertype).build()[..at];
    [link, &labels(many, &frame.packet())].concat()
}

#[test]
fn packet_behind_up_to_four_labels_is_kept() {
    let mut rows = Vec::new();
    for ethertype in [MPLS, 0x8848] {
        for many in 1..=4 {
            let name = |what: &str| format!("{what} behind {many} labels of {ethertype:#06x}");
            rows.push((name("IPv4"), labelled(&syn(), ethertype, many), kept_syn(40).reported()));
            rows.push((name("IPv6"), labelled(&syn_v6(), ethertype, many), kept_syn_v6(60).reported()));
            let tagged = labelled(&syn().tag(VLAN, 7), ethertype, many);
            rows.push((name("tagged"), tagged, kept_syn(40).vlan(7).reported()));
        }
        let five = labelled(&syn(), ethertype, 5);
        rows.push(("a fifth label".to_owned(), five, counted(Counter::UnknownLink)));
    }
    // RFC 4385 3: a pseudowire begins with a control word, whose first nibble is 0.
    let mut pseudowire = labelled(&syn(), MPLS, 1);
    pseudowire[18] = 0;
    rows.push(("a pseudowire".to_owned(), pseudowire, counted(Counter::UnknownLink)));
    hold_bytes("packet_behind_up_to_four_labels_is_kept", &Setup::default(), rows);
}
