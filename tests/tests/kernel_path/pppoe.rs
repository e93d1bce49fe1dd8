//! PPPoE sessions: IP inside is classified, all other PPP protocols are ignored.

use sensor_common::{counter::Counter, slot::tcp::ACK};
use sensor_tests::{Frame, QINQ, Setup, VLAN};

use crate::{
    expect::{CLIENT, Row, counted, foreign, hold, hold_bytes, kept_syn, kept_syn_v6, syn, syn_v6},
    truncation::{TCP_ENOUGH, cut_bytes},
};

/// PPP protocols (IANA).
pub(crate) const PPP_IPV4: u16 = 0x0021;
pub(crate) const PPP_IPV6: u16 = 0x0057;

#[test]
fn ip_in_pppoe_is_classified_as_ip_alone() {
    let rows: [Row; 8] = [
        ("IPv4", syn().pppoe(PPP_IPV4), kept_syn(40).reported()),
        ("IPv6", syn_v6().pppoe(PPP_IPV6), kept_syn_v6(60).reported()),
        ("in a VLAN", syn().tag(VLAN, 7).pppoe(PPP_IPV4), kept_syn(40).vlan(7).reported()),
        ("in a VLAN, IPv6", syn_v6().tag(VLAN, 7).pppoe(PPP_IPV6), kept_syn_v6(60).vlan(7).reported()),
        ("in two VLANs", syn().tag(QINQ, 5).tag(VLAN, 7).pppoe(PPP_IPV4), kept_syn(40).vlan(5).reported()),
        ("with options", syn().option_words(4).pppoe(PPP_IPV4), kept_syn(56).reported()),
        ("lateral", Frame::tcp(CLIENT, "10.9.9.9:445").pppoe(PPP_IPV4), counted(Counter::Lateral)),
        ("another port", Frame::tcp(CLIENT, "8.8.4.4:443").pppoe(PPP_IPV4), foreign()),
    ];
    hold("ip_in_pppoe_is_classified_as_ip_alone", &Setup::default(), rows);
}

#[test]
fn ignores_pppoe_payload_other_than_ip() {
    let rows: [Row; 9] = [
        ("link control", syn().pppoe(0xC021), foreign()),
        ("password authentication", syn().pppoe(0xC023), foreign()),
        ("challenge authentication", syn().pppoe(0xC223), foreign()),
        ("IPv4 control", syn().pppoe(0x8021), foreign()),
        ("IPv6 control", syn_v6().pppoe(0x8057), foreign()),
        ("IPv4's number in the wrong byte order", syn().pppoe(0x2100), foreign()),
        ("IPv6 that says IPv4", syn_v6().pppoe(PPP_IPV4), foreign()),
        ("IPv4 that says IPv6", syn().pppoe(PPP_IPV6), foreign()),
        ("discovery", syn().pppoe(PPP_IPV4).ethertype(0x8863), foreign()),
    ];
    hold("ignores_pppoe_payload_other_than_ip", &Setup::default(), rows);
}

/// The frame with its PPP protocol in one byte (RFC 1661 6.5). The packet begins behind the protocol.
fn compressed(frame: &Frame) -> Vec<u8> {
    let mut bytes = frame.build();
    let protocol = bytes.len() - frame.packet().len() - 2;
    assert_eq!(bytes.remove(protocol), 0);
    bytes
}

#[test]
fn protocol_in_one_byte_is_read() {
    let rows = [
        ("IPv4", syn().pppoe(PPP_IPV4), kept_syn(40).reported()),
        ("IPv6", syn_v6().tag(VLAN, 7).pppoe(PPP_IPV6), kept_syn_v6(60).vlan(7).reported()),
        ("another port", Frame::tcp(CLIENT, "8.8.4.4:443").pppoe(PPP_IPV4), foreign()),
        ("another protocol", syn().pppoe(0x0023), foreign()),
    ];
    let rows = rows.map(|(name, frame, outcome)| (name.to_owned(), compressed(&frame), outcome));
    hold_bytes("protocol_in_one_byte_is_read", &Setup::default(), rows);
}

#[test]
fn cut_pppoe_session_is_short_until_its_packet_is_readable() {
    let data = |frame: Frame| frame.flags(ACK).payload(&[1; 20]);
    let rows = [
        ("IPv4", data(syn()).pppoe(PPP_IPV4), kept_syn(60).flags(ACK).payload(20).reported()),
        ("IPv6", data(syn_v6()).pppoe(PPP_IPV6), kept_syn_v6(80).flags(ACK).payload(20).reported()),
        (
            "IPv4 in a VLAN",
            data(syn()).tag(VLAN, 7).pppoe(PPP_IPV4),
            kept_syn(60).flags(ACK).payload(20).vlan(7).reported(),
        ),
    ];
    let rows = rows.iter().flat_map(|(name, frame, whole)| {
        cut_bytes(name, &frame.build(), frame.transport_at(), TCP_ENOUGH, whole)
    });
    let test = "cut_pppoe_session_is_short_until_its_packet_is_readable";
    hold_bytes(test, &Setup::default(), rows);
}
