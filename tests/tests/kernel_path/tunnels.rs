//! One level of tunnel: the packet inside is classified by its own addresses, and only if tunnels are watched.

use sensor_common::{
    counter::Counter,
    slot::{
        Side,
        mark::{SERVER_IS_REMOTE, SMB_FROM_LOCAL, TUNNELLED},
        tcp::ACK,
    },
};
use sensor_tests::{Frame, Outcome, SMB2_MESSAGE, Setup, VLAN, extension::DESTINATION_OPTIONS};

use crate::{
    encapsulation::{
        CHECKSUM, ENDS, ENDS_V6, ERSPAN, ERSPAN_III, ETHERNET, GRE, IPIP, IPV4, IPV6, IPV6_IN_IP, KEY, MPLS,
        MPLS_IN_IP, MPLS_IN_UDP, SEQUENCE, VXLAN_GPE, datagram, erspan_ii, erspan_iii, geneve, gre, ip,
        labels, vxlan, vxlan_gpe,
    },
    expect::{
        CLIENT, Row, SERVER, counted, foreign, hold, hold_bytes, kept, kept_syn, kept_syn_v6, syn, syn_v6,
    },
    truncation::{TCP_ENOUGH, cut_bytes},
};

pub(crate) use crate::encapsulation::{GENEVE, VXLAN};

/// Each optional field of GRE by itself, each pair, and all.
const OPTIONAL_FIELDS: [u16; 8] = [
    0,
    CHECKSUM,
    KEY,
    SEQUENCE,
    CHECKSUM | KEY,
    CHECKSUM | SEQUENCE,
    KEY | SEQUENCE,
    CHECKSUM | KEY | SEQUENCE,
];

fn watched() -> Setup {
    let mut setup = Setup::default();
    setup.config.kernel.tunnels = true;
    setup
}

fn inner_v4() -> Outcome {
    kept_syn(40).marked(TUNNELLED).reported()
}

fn inner_v6() -> Outcome {
    kept_syn_v6(60).marked(TUNNELLED).reported()
}

/// A SYN to a server on the Internet in each kind of tunnel, with its outcome if tunnels are watched.
fn each_kind() -> Vec<(String, Frame, Outcome)> {
    let (v4, v6) = (syn().packet(), syn_v6().packet());
    let (frame, frame_v6) = (syn().build(), syn_v6().build());
    let tagged = syn().tag(VLAN, 7).build();
    let mut rows = Vec::new();
    let mut row = |name: String, frame: Frame, outcome: Outcome| rows.push((name, frame, outcome));
    for (outer, ends) in [("IPv4", ENDS), ("IPv6", ENDS_V6)] {
        row(format!("IPv4 in {outer}"), ip(ends, IPIP, &v4), inner_v4());
        row(format!("IPv6 in {outer}"), ip(ends, IPV6_IN_IP, &v6), inner_v6());
        for flags in OPTIONAL_FIELDS {
            let name = format!("GRE {flags:#06x} in {outer}");
            row(format!("{name}: IPv4"), ip(ends, GRE, &gre(flags, IPV4, &v4)), inner_v4());
            row(format!("{name}: IPv6"), ip(ends, GRE, &gre(flags, IPV6, &v6)), inner_v6());
            row(format!("{name}: Ethernet"), ip(ends, GRE, &gre(flags, ETHERNET, &frame)), inner_v4());
        }
        row(format!("VXLAN in {outer}"), datagram(ends, VXLAN, &vxlan(&frame)), inner_v4());
        row(format!("VXLAN in {outer}: IPv6"), datagram(ends, VXLAN, &vxlan(&frame_v6)), inner_v6());
        row(format!("VXLAN in {outer}: a tag inside"), datagram(ends, VXLAN, &vxlan(&tagged)), inner_v4());
        for units in [0, 1, 7, 63] {
            let name = format!("GENEVE with {units} words of options in {outer}");
            let carry = |kind, inner: &[u8]| datagram(ends, GENEVE, &geneve(0, units, kind, inner));
            row(format!("{name}: IPv4"), carry(IPV4, &v4), inner_v4());
            row(format!("{name}: IPv6"), carry(IPV6, &v6), inner_v6());
            row(format!("{name}: Ethernet"), carry(ETHERNET, &tagged), inner_v4());
        }
        row(format!("MPLS in {outer}"), ip(ends, MPLS_IN_IP, &labels(2, &v4)), inner_v4());
        row(format!("MPLS in UDP in {outer}"), datagram(ends, MPLS_IN_UDP, &labels(1, &v6)), inner_v6());
        row(format!("MPLS in GRE in {outer}"), ip(ends, GRE, &gre(KEY, MPLS, &labels(4, &v4))), inner_v4());
        for (next, inner, outcome) in [
            (1, &v4, inner_v4()),
            (2, &v6, inner_v6()),
            (3, &tagged, inner_v4()),
            (5, &labels(3, &v6), inner_v6()),
        ] {
            let carried = vxlan_gpe(next, inner);
            row(
                format!("VXLAN-GPE of {next} in {outer}"),
                datagram(ends, VXLAN_GPE, &carried),
                outcome.clone(),
            );
            row(format!("VXLAN-GPE of {next} on VXLAN's port"), datagram(ends, VXLAN, &carried), outcome);
        }
        let erspan = |flags, kind, inner: &[u8]| ip(ends, GRE, &gre(flags, kind, inner));
        row(format!("ERSPAN I in {outer}"), erspan(0, ERSPAN, &frame), inner_v4());
        for flags in [SEQUENCE, KEY | SEQUENCE] {
            let name = format!("{flags:#06x} in {outer}");
            row(format!("ERSPAN II {name}"), erspan(flags, ERSPAN, &erspan_ii(&tagged)), inner_v4());
            for with_platform in [false, true] {
                let inner = erspan_iii(0, with_platform, &frame_v6);
                row(format!("ERSPAN III {name}"), erspan(flags, ERSPAN_III, &inner), inner_v6());
                row(
                    format!("ERSPAN III by type II's number {name}"),
                    erspan(flags, ERSPAN, &inner),
                    inner_v6(),
                );
                let inner = erspan_iii(2, with_platform, &v4);
                row(format!("ERSPAN III of IP {name}"), erspan(flags, ERSPAN_III, &inner), inner_v4());
            }
        }
    }
    rows
}

fn built(rows: Vec<(String, Frame, Outcome)>) -> impl Iterator<Item = (String, Vec<u8>, Outcome)> {
    rows.into_iter().map(|(name, frame, outcome)| (name, frame.build(), outcome))
}

#[test]
fn keeps_and_marks_a_tunnelled_session_by_its_inner_addresses() {
    let test = "keeps_and_marks_a_tunnelled_session_by_its_inner_addresses";
    hold_bytes(test, &watched(), built(each_kind()));
}

#[test]
fn unwatched_tunnels_are_ignored() {
    let rows = each_kind().into_iter().map(|(name, frame, _)| (name, frame, foreign())).collect();
    hold_bytes("unwatched_tunnels_are_ignored", &Setup::default(), built(rows));
}

#[test]
fn inner_header_decides_the_outcome() {
    let carry = |inner: &Frame| ip(("10.0.0.2:0", "9.9.9.9:0"), IPIP, &inner.packet());
    let data = |to: &str| Frame::tcp(CLIENT, to).flags(ACK).payload(&SMB2_MESSAGE);
    let smb = kept_syn(108).flags(ACK).payload(68).marked(TUNNELLED | SMB_FROM_LOCAL);
    let other = kept(Side::Local, CLIENT, "8.8.4.4:4445", 108).flags(ACK).payload(68);
    let inbound = ("8.8.4.4:50000", "10.0.0.2:445");
    let rows: [Row; 12] = [
        (
            "lateral in a tunnel over the Internet",
            carry(&Frame::tcp(CLIENT, "10.9.9.9:445")),
            counted(Counter::Lateral),
        ),
        ("reserved", carry(&Frame::tcp(CLIENT, "192.0.2.1:445")), counted(Counter::Reserved)),
        ("transit", carry(&Frame::tcp("8.8.8.8:50000", SERVER)), counted(Counter::Transit)),
        ("another port", carry(&Frame::tcp(CLIENT, "8.8.4.4:443")), foreign()),
        ("another protocol", carry(&Frame::of(1, CLIENT, SERVER)), foreign()),
        (
            "from the Internet",
            carry(&Frame::tcp(inbound.0, inbound.1)),
            kept(Side::Remote, inbound.1, inbound.0, 40).marked(TUNNELLED).reported(),
        ),
        ("an SMB message", carry(&data(SERVER)), smb.reported()),
        (
            "an SMB message on another port",
            carry(&data("8.8.4.4:4445")),
            other.marked(TUNNELLED | SMB_FROM_LOCAL | SERVER_IS_REMOTE).reported(),
        ),
        (
            "the outer VLAN is reported",
            carry(&syn()).tag(VLAN, 5),
            kept_syn(40).vlan(5).marked(TUNNELLED).reported(),
        ),
        (
            "the outer VLAN is reported and not the inner one",
            datagram(ENDS, VXLAN, &vxlan(&syn().tag(VLAN, 7).build())).tag(VLAN, 5),
            kept_syn(40).vlan(5).marked(TUNNELLED).reported(),
        ),
        (
            "behind options and a hop limit's header",
            ip(ENDS_V6, IPIP, &syn().option_words(3).packet()).extension(DESTINATION_OPTIONS, 0),
            kept_syn(52).marked(TUNNELLED).reported(),
        ),
        ("a fragment inside", carry(&syn().fragment(20, true)), counted(Counter::Fragment)),
    ];
    hold("inner_header_decides_the_outcome", &watched(), rows);
}

#[test]
fn parses_only_one_level_of_tunnel() {
    let v4 = syn().packet();
    let second = || counted(Counter::UnknownTunnel);
    let level = |inner: &[u8]| ip(ENDS, IPIP, inner).packet();
    let in_vxlan = datagram(ENDS, VXLAN, &vxlan(&syn().build()));
    let rows: [Row; 6] = [
        ("IPv4 in IPv4 in IPv4", ip(ENDS, IPIP, &level(&v4)), second()),
        ("IPv4 in IPv4 in GRE", ip(ENDS, GRE, &gre(0, IPV4, &level(&v4))), second()),
        ("GRE in IPv4 in IPv6", ip(ENDS_V6, IPIP, &ip(ENDS, GRE, &gre(0, IPV4, &v4)).packet()), second()),
        ("VXLAN in VXLAN", datagram(ENDS, VXLAN, &vxlan(&in_vxlan.build())), second()),
        ("VXLAN in IPv4", ip(ENDS, IPIP, &in_vxlan.packet()), second()),
        (
            "IPv6 in IPv4 in GENEVE",
            datagram(ENDS, GENEVE, &geneve(0, 0, IPV4, &ip(ENDS, IPV6_IN_IP, &syn_v6().packet()).packet())),
            second(),
        ),
    ];
    hold("parses_only_one_level_of_tunnel", &watched(), rows);
}

#[test]
fn counts_tunnels_that_it_does_not_parse() {
    let v4 = syn().packet();
    let carry = |flags, kind| ip(ENDS, GRE, &gre(flags, kind, &v4));
    let in_geneve = |version, kind| datagram(ENDS, GENEVE, &geneve(version, 0, kind, &v4));
    let unknown = || counted(Counter::UnknownTunnel);
    let rows: [Row; 17] = [
        ("GRE version 1 (PPTP)", carry(0x2001, 0x880B), unknown()),
        ("GRE version 1 that says IPv4", carry(1, IPV4), unknown()),
        ("GRE version 4", carry(4, IPV4), unknown()),
        ("GRE with source routes", carry(0x4000, IPV4), unknown()),
        ("GRE with all and source routes", carry(0xF000, IPV4), unknown()),
        ("GRE of PPP", carry(0, 0x880B), unknown()),
        ("GENEVE version 1", in_geneve(1, IPV4), unknown()),
        ("GENEVE version 2", in_geneve(2, IPV4), unknown()),
        ("GENEVE version 3", in_geneve(3, IPV4), unknown()),
        ("GENEVE of ARP", in_geneve(0, 0x0806), unknown()),
        ("VXLAN-GPE of NSH", datagram(ENDS, VXLAN_GPE, &vxlan_gpe(4, &v4)), unknown()),
        ("VXLAN-GPE of nothing known", datagram(ENDS, VXLAN_GPE, &vxlan_gpe(0, &v4)), unknown()),
        ("ERSPAN of version 3", ip(ENDS, GRE, &gre(SEQUENCE, ERSPAN, &[0x30; 40])), unknown()),
        ("ERSPAN III of version 0", ip(ENDS, GRE, &gre(SEQUENCE, ERSPAN_III, &[0; 40])), unknown()),
        (
            "ERSPAN III of 802.11",
            ip(ENDS, GRE, &gre(SEQUENCE, ERSPAN_III, &erspan_iii(3, false, &v4))),
            unknown(),
        ),
        ("a fifth label", ip(ENDS, MPLS_IN_IP, &labels(5, &v4)), counted(Counter::UnknownLink)),
        ("a pseudowire", ip(ENDS, MPLS_IN_IP, &labels(1, &[0; 40])), counted(Counter::UnknownLink)),
    ];
    hold("counts_tunnels_that_it_does_not_parse", &watched(), rows);
}

#[test]
fn does_not_parse_what_only_resembles_a_tunnel() {
    let rows: [Row; 4] = [
        ("GRE of IPv6 that is IPv4", ip(ENDS, GRE, &gre(0, IPV6, &syn().packet())), foreign()),
        (
            "from VXLAN's port and to another",
            Frame::udp("1.1.1.1:4789", "9.9.9.9:40000").payload(&vxlan(&syn().build())),
            foreign(),
        ),
        (
            "to VXLAN's port over TCP",
            Frame::tcp("1.1.1.1:40000", "9.9.9.9:4789").payload(&vxlan(&syn().build())),
            foreign(),
        ),
        ("ARP in VXLAN", datagram(ENDS, VXLAN, &vxlan(&syn().ethertype(0x0806).build())), foreign()),
    ];
    hold("does_not_parse_what_only_resembles_a_tunnel", &watched(), rows);
}

#[test]
fn tunnel_cut_at_any_length_is_short_until_readable() {
    let inner = syn().flags(ACK).payload(&SMB2_MESSAGE);
    let (packet, tagged) = (inner.packet(), inner.clone().tag(VLAN, 7).build());
    let tunnels = [
        ("IPv4", ip(ENDS, IPIP, &packet)),
        ("IPv4 in IPv6", ip(ENDS_V6, IPIP, &packet)),
        ("GRE", ip(ENDS, GRE, &gre(0, IPV4, &packet))),
        ("GRE with all", ip(ENDS, GRE, &gre(CHECKSUM | KEY | SEQUENCE, IPV4, &packet))),
        ("GRE of Ethernet", ip(ENDS_V6, GRE, &gre(KEY, ETHERNET, &tagged))),
        ("VXLAN", datagram(ENDS, VXLAN, &vxlan(&tagged))),
        ("VXLAN in IPv6", datagram(ENDS_V6, VXLAN, &vxlan(&tagged))),
        ("GENEVE", datagram(ENDS, GENEVE, &geneve(0, 3, IPV4, &packet))),
        ("GENEVE of Ethernet", datagram(ENDS_V6, GENEVE, &geneve(0, 0, ETHERNET, &tagged))),
        ("VXLAN-GPE", datagram(ENDS, VXLAN_GPE, &vxlan_gpe(1, &packet))),
        ("ERSPAN I", ip(ENDS, GRE, &gre(0, ERSPAN, &tagged))),
        ("ERSPAN II", ip(ENDS, GRE, &gre(SEQUENCE, ERSPAN, &erspan_ii(&tagged)))),
        ("ERSPAN III", ip(ENDS_V6, GRE, &gre(SEQUENCE, ERSPAN_III, &erspan_iii(0, true, &tagged)))),
        ("ERSPAN III of IP", ip(ENDS, GRE, &gre(SEQUENCE, ERSPAN_III, &erspan_iii(2, false, &packet)))),
        ("MPLS", ip(ENDS, MPLS_IN_IP, &labels(4, &packet))),
    ];
    let mut rows = Vec::new();
    for (name, tunnel) in tunnels {
        let bytes = tunnel.tag(VLAN, 5).build();
        let reported =
            |marks| kept_syn(108).flags(ACK).payload(68).vlan(5).marked(TUNNELLED | marks).reported();
        let (end, payload) = (bytes.len(), SMB2_MESSAGE.len());
        let transport = end - payload - 20;
        for (name, bytes, outcome) in cut_bytes(name, &bytes, transport, TCP_ENOUGH, &reported(0)) {
            let magic = bytes.len() >= end - payload + 8;
            rows.push((name, bytes, if magic { reported(SMB_FROM_LOCAL) } else { outcome }));
        }
    }
    let test = "tunnel_cut_at_any_length_is_short_until_readable";
    hold_bytes(test, &watched(), rows);
}
