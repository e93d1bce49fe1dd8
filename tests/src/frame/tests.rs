//! Frames as in the RFCs.

use super::*;

#[test]
fn plain_syn_matches_the_rfcs() {
    let frame = Frame::tcp("10.0.0.2:50000", "8.8.4.4:445").build();
    let expected = [
        &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0][..],
        &[0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 8, 8, 4, 4],
        &[0xC3, 0x50, 1, 0xBD, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 2, 0x20, 0, 0, 0, 0, 0],
    ];
    assert_eq!(frame, expected.concat());
}

#[test]
fn each_extension_header_names_the_next() {
    let frame = Frame::udp("[fd00::2]:137", "[2001:4860::1]:137")
        .extension(extension::HOP_BY_HOP, 1)
        .extension(extension::AUTHENTICATION, 4)
        .payload(&[7; 3]);
    let bytes = frame.build();
    assert_eq!(&bytes[18..22], [0, 16 + 24 + 8 + 3, 0, 64], "length, first header, hop limit");
    assert_eq!(&bytes[54..56], [51, 1]);
    assert_eq!(&bytes[70..72], [17, 4]);
    assert_eq!(frame.transport_at(), 94);
    assert_eq!(&bytes[94..], [0, 137, 0, 137, 0, 11, 0, 0, 7, 7, 7]);
}

#[test]
fn pppoe_session_is_between_tags_and_packet() {
    let frame = Frame::tcp("10.0.0.2:1", "8.8.4.4:445").tag(VLAN, 6).pppoe(0x21);
    let bytes = frame.build();
    assert_eq!(&bytes[12..26], [0x81, 0, 0, 6, 0x88, 0x64, 0x11, 0, 0, 9, 0, 42, 0, 0x21]);
    assert_eq!(bytes[26..], frame.packet());
}

#[test]
fn body_replaces_the_transport_header() {
    let inner = Frame::tcp("10.0.0.2:1", "8.8.4.4:445").packet();
    let outer = Frame::of(4, "1.1.1.1:0", "9.9.9.9:0").body(&inner).packet();
    assert_eq!(outer[..4], [0x45, 0, 0, 60]);
    assert_eq!(outer[20..], inner);
}

#[test]
fn tags_come_outermost_first_and_padding_last() {
    let bytes = Frame::tcp("10.0.0.2:1", "8.8.4.4:445").tag(QINQ, 5).tag(VLAN, 6).padding(2).build();
    assert_eq!(&bytes[12..22], [0x88, 0xA8, 0, 5, 0x81, 0, 0, 6, 8, 0]);
    assert_eq!(bytes[bytes.len() - 3..], [0, 0xAA, 0xAA]);
}
