//! Each reserved prefix, at its first and last address and just outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use sensor_common::{counter::Counter, slot::Side};
use sensor_core::networks::{DEFAULT_INTERNAL, RESERVED};
use sensor_tests::{Frame, Outcome, Setup};

use crate::expect::{counted, hold_bytes, kept};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// The expected outcome of a SYN from an internal client to `address`, by the tables read one by one.
fn expected(client: &str, address: IpAddr, server: &str) -> Outcome {
    // The neighbour of 2001:1::/32 is the last Teredo address, whose client is 0.0.0.0 (RFC 4380 4).
    if net("2001::/32").contains(&address) {
        return counted(Counter::Reserved);
    }
    if DEFAULT_INTERNAL.iter().any(|entry| net(entry.prefix).contains(&address)) {
        counted(Counter::Lateral)
    } else if RESERVED.iter().any(|entry| net(entry.prefix).contains(&address)) {
        counted(Counter::Reserved)
    } else {
        kept(Side::Local, client, server, if address.is_ipv4() { 40 } else { 60 }).reported()
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).checked_sub(1)?).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).checked_sub(1)?).into(),
    })
}

fn after(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).checked_add(1)?).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).checked_add(1)?).into(),
    })
}

fn last(net: &IpNet) -> IpAddr {
    net.broadcast()
}

#[test]
fn each_reserved_prefix_ends_exactly_as_listed() {
    let mut rows = Vec::new();
    let mut outside = 0;
    for entry in RESERVED {
        let net = net(entry.prefix);
        let edges = [
            ("first address", Some(net.network())),
            ("last address", Some(last(&net))),
            ("address before", before(net.network())),
            ("address after", after(last(&net))),
        ];
        for (edge, address) in edges.into_iter().filter_map(|(edge, address)| Some((edge, address?))) {
            let client = if address.is_ipv4() { "10.0.0.2:50000" } else { "[fd00:1::2]:50000" };
            let server = std::net::SocketAddr::new(address, 445).to_string();
            let outcome = expected(client, address, &server);
            outside += usize::from(matches!(outcome, Outcome::Kept(_)));
            let name = format!("{edge} of {}, {address}", entry.prefix);
            rows.push((name, Frame::tcp(client, &server).build(), outcome));
        }
    }
    assert!(outside >= 30, "only {outside} addresses lie outside: the fixture proves little");
    hold_bytes("each_reserved_prefix_ends_exactly_as_listed", &Setup::default(), rows);
}
