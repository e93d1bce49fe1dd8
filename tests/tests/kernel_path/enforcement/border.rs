//! Which packets are dropped: SYNs of TCP across the border for which a rule alerts.

use sensor_common::{
    counter::Counter::{Lateral, Reserved, Transit},
    slot::tcp::{ACK, FIN, RST, SYN},
};
use sensor_tests::{Frame, Setup, VLAN};

use super::{Row, Rule, hold};
use crate::{
    encapsulation::{ENDS, IPIP, ip},
    expect::{CLIENT, CLIENT_V6, SERVER, SERVER_V6, syn, syn_v6},
};

/// Urgent, push and the bits of congestion control: none of them changes what a SYN is.
const OTHER_FLAGS: u8 = 0xE8;

#[test]
fn outbound_drops_smb_alone() {
    let to = |port: u16| Frame::tcp(CLIENT, &format!("8.8.4.4:{port}"));
    let rows = [
        ("445", to(445), Rule::Outbound),
        ("139", to(139), Rule::Outbound),
        ("135: no rule is about it", to(135), Rule::None),
        ("TCP 137: no service", to(137), Rule::Foreign),
        ("443", to(443), Rule::Foreign),
        ("4445", to(4445), Rule::Foreign),
        ("UDP 137", Frame::udp("10.0.0.2:137", "8.8.4.4:137"), Rule::None),
        ("UDP 138", Frame::udp("10.0.0.2:138", "8.8.4.4:138"), Rule::None),
        ("UDP 445: no service", Frame::udp("10.0.0.2:138", "8.8.4.4:445"), Rule::None),
        ("IPv6", syn_v6(), Rule::Outbound),
        ("IPv6, 135", Frame::tcp(CLIENT_V6, "[2001:4860:4860::8844]:135"), Rule::None),
        ("behind NAT64", Frame::tcp(CLIENT_V6, "[64:ff9b::8.8.4.4]:445"), Rule::Outbound),
        ("tagged", syn().tag(VLAN, 7), Rule::Outbound),
        ("with IPv4 options", syn().option_words(4), Rule::Outbound),
        ("a first fragment", syn().fragment(0, true), Rule::Outbound),
        ("with data, as TCP fast open has it", syn().payload(&[1; 40]), Rule::Outbound),
    ];
    hold("outbound_drops_smb_alone", &Setup::default(), rows);
}

#[test]
fn inbound_drops_every_service() {
    let to = |port: u16| Frame::tcp("8.8.4.4:50000", &format!("10.0.0.2:{port}"));
    let rows = [
        ("445", to(445), Rule::Inbound),
        ("139", to(139), Rule::Inbound),
        ("135", to(135), Rule::Inbound),
        ("443", to(443), Rule::Foreign),
        ("UDP 137", Frame::udp("8.8.4.4:137", "10.0.0.2:137"), Rule::None),
        ("UDP 138", Frame::udp("8.8.4.4:138", "10.0.0.2:138"), Rule::None),
        ("IPv6", Frame::tcp("[2001:4860:4860::8844]:50000", "[fd00:1::2]:445"), Rule::Inbound),
        ("IPv6, 135", Frame::tcp("[2001:4860:4860::8844]:50000", "[fd00:1::2]:135"), Rule::Inbound),
    ];
    hold("inbound_drops_every_service", &Setup::default(), rows);
}

#[test]
fn destination_counts_with_services_on_both_ports() {
    let rows = [
        ("445 to 445", Frame::tcp("10.0.0.2:445", SERVER), Rule::Outbound),
        ("135 to 139", Frame::tcp("10.0.0.2:135", "8.8.4.4:139"), Rule::Outbound),
        ("445 to 135", Frame::tcp("10.0.0.2:445", "8.8.4.4:135"), Rule::None),
        ("from outside", Frame::tcp("8.8.4.4:445", "10.0.0.2:135"), Rule::Inbound),
        ("IPv6", Frame::tcp("[fd00:1::2]:139", SERVER_V6), Rule::Outbound),
    ];
    hold("destination_counts_with_services_on_both_ports", &Setup::default(), rows);
}

#[test]
fn drops_only_a_syn_that_opens_a_connection() {
    let from_server = |flags| Frame::tcp(SERVER, CLIENT).flags(flags);
    let mut rows: Vec<Row> = vec![
        ("SYN", syn(), Rule::Outbound),
        ("SYN with other bits", syn().flags(SYN | OTHER_FLAGS), Rule::Outbound),
        ("no flag", syn().flags(0), Rule::None),
        ("a SYN from the port of a service", from_server(SYN), Rule::None),
        ("its SYN-ACK", from_server(SYN | ACK), Rule::None),
        ("its RST", from_server(RST | ACK), Rule::None),
    ];
    for flags in [ACK, SYN | ACK, SYN | RST, SYN | FIN, RST, RST | ACK, FIN, FIN | ACK, SYN | ACK | RST | FIN]
    {
        rows.push(("other flags", syn().flags(flags), Rule::None));
        rows.push((
            "other flags, inbound",
            Frame::tcp("8.8.4.4:50000", "10.0.0.2:445").flags(flags),
            Rule::None,
        ));
        rows.push(("other flags, IPv6", syn_v6().flags(flags).payload(&[1; 9]), Rule::None));
    }
    hold("drops_only_a_syn_that_opens_a_connection", &Setup::default(), rows);
}

#[test]
fn drops_nothing_within_the_border() {
    let rows = [
        ("lateral", Frame::tcp(CLIENT, "10.0.0.3:445"), Rule::Let(Lateral)),
        ("lateral, IPv6", Frame::tcp(CLIENT_V6, "[fd00:2::3]:445"), Rule::Let(Lateral)),
        ("to reserved space", Frame::tcp(CLIENT, "192.0.2.1:445"), Rule::Let(Reserved)),
        ("from reserved space", Frame::tcp("127.0.0.1:50000", "10.0.0.2:445"), Rule::Let(Reserved)),
        ("transit", Frame::tcp("1.1.1.1:50000", SERVER), Rule::Let(Transit)),
    ];
    hold("drops_nothing_within_the_border", &Setup::default(), rows);
}

#[test]
fn tunnelled_packet_is_classified_by_its_inner_header() {
    let mut setup = Setup::default();
    setup.config.kernel.tunnels = true;
    let lateral = Frame::tcp(CLIENT, "10.0.0.3:445");
    let rows = [
        ("a SYN to the Internet", ip(ENDS, IPIP, &syn().packet()), Rule::Outbound),
        ("a SYN that stays", ip(ENDS, IPIP, &lateral.packet()), Rule::Let(Lateral)),
    ];
    hold("tunnelled_packet_is_classified_by_its_inner_header", &setup, rows);
}
