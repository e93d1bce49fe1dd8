//! Headers with false lengths, and bytes that belong to no packet.

use sensor_common::slot::tcp;
use sensor_tests::{Frame, Setup};

use crate::expect::{Row, SERVER, hold, kept, kept_syn, kept_syn_v6, syn, syn_v6};
use sensor_common::slot::Side;

#[test]
fn padding_is_not_payload() {
    let ack = || syn().flags(tcp::ACK);
    let rows: [Row; 5] = [
        ("a padded SYN", syn().padding(6), kept_syn(40).reported()),
        ("a padded ACK", ack().padding(6), kept_syn(40).flags(tcp::ACK).reported()),
        (
            "padding behind payload",
            ack().payload(&[1; 3]).padding(3),
            kept_syn(43).flags(tcp::ACK).payload(3).reported(),
        ),
        ("padding behind IPv6", syn_v6().padding(46), kept_syn_v6(60).reported()),
        (
            "a padded datagram",
            Frame::udp("10.0.0.2:50000", "8.8.4.4:137").payload(&[1; 2]).padding(16),
            kept(Side::Local, "10.0.0.2:50000", "8.8.4.4:137", 30).udp().payload(2).reported(),
        ),
    ];
    hold("padding_is_not_payload", &Setup::default(), rows);
}

#[test]
fn packet_without_a_length_is_as_long_as_its_frame() {
    // Segmentation offload beyond 64 KiB leaves both fields zero.
    let rows: [Row; 3] = [
        ("IPv4 total length 0", syn().payload(&[1; 9]).length(0), kept_syn(49).payload(9).reported()),
        ("IPv6 payload length 0", syn_v6().payload(&[1; 9]).length(0), kept_syn_v6(69).payload(9).reported()),
        ("IPv4 total length 0 behind options", syn().option_words(2).length(0), kept_syn(48).reported()),
    ];
    hold("packet_without_a_length_is_as_long_as_its_frame", &Setup::default(), rows);
}

#[test]
fn length_in_the_header_counts_even_when_false() {
    let rows: [Row; 7] = [
        ("IPv4 shorter than its own header", syn().payload(&[1; 9]).length(1), kept_syn(1).reported()),
        ("IPv4 shorter than TCP", syn().payload(&[1; 9]).length(39), kept_syn(39).reported()),
        ("IPv4 cuts the payload", syn().payload(&[1; 9]).length(41), kept_syn(41).payload(1).reported()),
        ("IPv4 longer than the frame", syn().length(65_535), kept_syn(65_535).payload(65_495).reported()),
        ("IPv6 shorter than TCP", syn_v6().payload(&[1; 9]).length(1), kept_syn_v6(41).reported()),
        (
            "IPv6 cuts the payload",
            syn_v6().payload(&[1; 9]).length(22),
            kept_syn_v6(62).payload(2).reported(),
        ),
        (
            "IPv6 longer than the frame",
            syn_v6().length(65_535),
            kept_syn_v6(65_575).payload(65_515).reported(),
        ),
    ];
    hold("length_in_the_header_counts_even_when_false", &Setup::default(), rows);
}

#[test]
fn data_offset_past_the_packet_leaves_no_payload() {
    let rows: [Row; 3] = [
        ("past IPv4", syn().data_offset(15), kept_syn(40).reported()),
        ("past IPv6", syn_v6().payload(&[1; 39]).data_offset(15), kept_syn_v6(99).reported()),
        ("exactly at the end", syn().payload(&[1; 40]).data_offset(15), kept_syn(80).reported()),
    ];
    hold("data_offset_past_the_packet_leaves_no_payload", &Setup::default(), rows);
}

#[test]
fn tcp_options_are_not_payload() {
    let rows = (5..=15).map(|words| {
        let frame = syn().payload(&[1; 60]).data_offset(words);
        ("options", frame, kept_syn(100).payload(60 - 4 * (u64::from(words) - 5)).reported())
    });
    hold("tcp_options_are_not_payload", &Setup::default(), rows);
}

#[test]
fn data_offset_inside_the_tcp_header_makes_no_payload() {
    // RFC 9293 3.1: the header is at least five words.
    let rows = (0..5).map(|words| ("inside the header", syn().data_offset(words), kept_syn(40).reported()));
    hold("data_offset_inside_the_tcp_header_makes_no_payload", &Setup::default(), rows);
}

#[test]
fn smb_magic_in_the_sequence_number_is_no_message() {
    // From port 139 the header begins like a session message; its fifth byte is the sequence number.
    let mut bytes = Frame::tcp("10.0.0.2:139", SERVER).data_offset(0).payload(&[1; 20]).build();
    bytes[38..42].copy_from_slice(b"\xFESMB");
    let expected = kept(Side::Local, "10.0.0.2:139", SERVER, 60).payload(20).reported();
    crate::expect::hold_bytes(
        "smb_magic_in_the_sequence_number_is_no_message",
        &Setup::default(),
        [("header taken for payload".to_owned(), bytes, expected)],
    );
}
