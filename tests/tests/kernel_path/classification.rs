//! The places of both addresses decide the outcome of a packet on a watched port.

use sensor_common::{counter::Counter, slot::Side};
use sensor_tests::{Frame, Outcome, Setup};

use crate::expect::{Row, counted, hold, kept};

fn to(source: &str, destination: &str) -> Frame {
    let end = |address: &str, port: u16| {
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    };
    Frame::tcp(&end(source, 50_000), &end(destination, 445))
}

fn crossing(side: Side, source: &str, destination: &str) -> Outcome {
    let v6 = source.contains(':');
    let end = |address: &str, port: u16| {
        if v6 { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    };
    let (client, server) = (end(source, 50_000), end(destination, 445));
    let bytes = if v6 { 60 } else { 40 };
    match side {
        Side::Local => kept(side, &client, &server, bytes).reported(),
        Side::Remote => kept(side, &server, &client, bytes).reported(),
    }
}

pub(crate) fn outbound(source: &str, destination: &str) -> Outcome {
    crossing(Side::Local, source, destination)
}

pub(crate) fn inbound(source: &str, destination: &str) -> Outcome {
    crossing(Side::Remote, source, destination)
}

pub(crate) fn row(name: &'static str, source: &str, destination: &str, outcome: Outcome) -> Row {
    (name, to(source, destination), outcome)
}

#[test]
fn keeps_only_packets_across_the_border_seen_from_inside() {
    let (lan, lan6) = ("10.0.0.2", "fd00:1::2");
    let (net, net6) = ("8.8.4.4", "2001:4860::8844");
    let rows = [
        row("internal to external", lan, net, outbound(lan, net)),
        row("internal to external over IPv6", lan6, net6, outbound(lan6, net6)),
        row("external to internal", net, lan, inbound(net, lan)),
        row("external to internal over IPv6", net6, lan6, inbound(net6, lan6)),
        row("from each private range: 172.16", "172.31.255.255", net, outbound("172.31.255.255", net)),
        row("from each private range: 192.168", "192.168.0.0", net, outbound("192.168.0.0", net)),
        row("internal to internal", lan, "192.168.1.1", counted(Counter::Lateral)),
        row("internal to internal over IPv6", lan6, "fc00::1", counted(Counter::Lateral)),
        row("external to external", "1.1.1.1", net, counted(Counter::Transit)),
        row("external to external over IPv6", "2620:fe::fe", net6, counted(Counter::Transit)),
        row("reserved to external", "192.0.2.1", net, counted(Counter::Reserved)),
        row("external to reserved", net, "192.0.2.1", counted(Counter::Reserved)),
        row("reserved to internal", "169.254.1.1", lan, counted(Counter::Reserved)),
        row("reserved to reserved", "169.254.1.1", "192.0.2.1", counted(Counter::Reserved)),
        row("link-local to link-local", "fe80::1", "fe80::2", counted(Counter::Reserved)),
        row("internal to a multicast group", lan6, "ff02::1:3", counted(Counter::Reserved)),
        row("internal to subnet broadcast of everybody", lan, "255.255.255.255", counted(Counter::Reserved)),
    ];
    hold("keeps_only_packets_across_the_border_seen_from_inside", &Setup::default(), rows);
}

#[test]
fn configured_networks_are_internal_even_in_reserved_ranges() {
    let mut setup = Setup::default();
    setup.config.internal =
        ["20.20.0.0/16", "100.64.0.0/10", "198.51.100.128/25", "2001:db8:5::/48", "2a00:1::/32"]
            .map(|net| net.parse().unwrap())
            .to_vec();
    let rows = [
        row("public to external", "20.20.255.255", "8.8.4.4", outbound("20.20.255.255", "8.8.4.4")),
        row("external to public", "8.8.4.4", "20.20.0.0", inbound("8.8.4.4", "20.20.0.0")),
        row("private to public", "10.0.0.2", "20.20.1.1", counted(Counter::Lateral)),
        row("beside the public network", "20.21.0.0", "8.8.4.4", counted(Counter::Transit)),
        row("shared address space", "100.127.255.255", "8.8.4.4", outbound("100.127.255.255", "8.8.4.4")),
        row("inside documentation space", "198.51.100.128", "8.8.4.4", outbound("198.51.100.128", "8.8.4.4")),
        row("its other half stays reserved", "198.51.100.127", "8.8.4.4", counted(Counter::Reserved)),
        row("its halves to each other", "198.51.100.128", "198.51.100.127", counted(Counter::Reserved)),
        row(
            "IPv6 inside documentation space",
            "2001:db8:5::1",
            "2a00:2::1",
            outbound("2001:db8:5::1", "2a00:2::1"),
        ),
        row("IPv6 beside it", "2001:db8:6::1", "2a00:2::1", counted(Counter::Reserved)),
        row("IPv6 public to IPv6 public", "2a00:1::1", "2001:db8:5::1", counted(Counter::Lateral)),
        row(
            "mapped form of a public network of ours",
            "2a00:1::1",
            "::ffff:20.20.1.1",
            counted(Counter::Lateral),
        ),
    ];
    hold("configured_networks_are_internal_even_in_reserved_ranges", &setup, rows);
}

#[test]
fn without_the_defaults_private_addresses_are_reserved() {
    let mut setup = Setup::default();
    setup.config.default_networks = false;
    setup.config.internal = vec!["10.0.0.0/24".parse().unwrap(), "10.255.0.0/16".parse().unwrap()];
    let rows = [
        row("the one network that is ours", "10.0.0.255", "8.8.4.4", outbound("10.0.0.255", "8.8.4.4")),
        row("the rest of private space", "10.0.1.0", "8.8.4.4", counted(Counter::Reserved)),
        row("ours to the rest", "10.0.0.2", "10.0.1.0", counted(Counter::Reserved)),
        row("unique local", "fd00::1", "2001:4860::1", counted(Counter::Reserved)),
    ];
    hold("without_the_defaults_private_addresses_are_reserved", &setup, rows);
}
