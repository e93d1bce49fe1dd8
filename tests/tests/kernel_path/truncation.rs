//! Frames cut at every length: the readable part decides, an unreadable frame is counted, nothing is guessed.

use sensor_common::{
    counter::Counter,
    slot::{Side, mark::SMB_FROM_LOCAL, tcp::ACK},
};
use sensor_tests::{
    Frame, Outcome, QINQ, Setup, VLAN,
    extension::{AUTHENTICATION, DESTINATION_OPTIONS, HOP_BY_HOP},
};

use crate::expect::{
    CLIENT_V6, SERVER_V6, counted, foreign, hold_bytes, kept, kept_syn, kept_syn_v6, syn, syn_v6,
};

/// Cuts a frame at every length. Bytes count from the transport header's start: the ports take 4, and `enough` are needed
/// to decide the rest.
fn cut(name: &str, frame: &Frame, enough: usize, whole: &Outcome) -> Vec<(String, Vec<u8>, Outcome)> {
    cut_bytes(name, &frame.build(), frame.transport_at(), enough, whole)
}

/// The same of a frame that is bytes already, with its transport header at `transport`.
pub(crate) fn cut_bytes(
    name: &str,
    bytes: &[u8],
    transport: usize,
    enough: usize,
    whole: &Outcome,
) -> Vec<(String, Vec<u8>, Outcome)> {
    let at_length = |len: usize| {
        if len < transport + 4 {
            counted(Counter::ShortFrame)
        } else if len < transport + enough {
            counted(Counter::ShortTransport)
        } else {
            whole.clone()
        }
    };
    (0..=bytes.len())
        .map(|len| (format!("{name} cut to {len}"), bytes[..len].to_vec(), at_length(len)))
        .collect()
}

/// TCP flags end 14 bytes into the header (RFC 9293 3.1).
pub(crate) const TCP_ENOUGH: usize = 14;
/// The length field of UDP ends after six bytes (RFC 768).
const UDP_ENOUGH: usize = 6;

#[test]
fn cut_tcp_packet_is_short_until_its_flags_and_then_has_its_full_length() {
    let data = |frame: Frame| frame.flags(ACK).payload(&[1; 20]);
    let rows = [
        cut("IPv4", &data(syn()), TCP_ENOUGH, &kept_syn(60).flags(ACK).payload(20).reported()),
        cut("IPv6", &data(syn_v6()), TCP_ENOUGH, &kept_syn_v6(80).flags(ACK).payload(20).reported()),
        cut(
            "VLAN",
            &data(syn().tag(VLAN, 7)),
            TCP_ENOUGH,
            &kept_syn(60).flags(ACK).payload(20).vlan(7).reported(),
        ),
        cut(
            "QinQ IPv6",
            &data(syn_v6().tag(QINQ, 5).tag(VLAN, 7)),
            TCP_ENOUGH,
            &kept_syn_v6(80).flags(ACK).payload(20).vlan(5).reported(),
        ),
        cut(
            "options",
            &data(syn().option_words(10)),
            TCP_ENOUGH,
            &kept_syn(100).flags(ACK).payload(20).reported(),
        ),
    ];
    hold_bytes(
        "cut_tcp_packet_is_short_until_its_flags_and_then_has_its_full_length",
        &Setup::default(),
        rows.into_iter().flatten(),
    );
}

#[test]
fn cut_chain_of_extension_headers_is_a_short_frame() {
    let chained = |frame: Frame| {
        frame
            .extension(HOP_BY_HOP, 0)
            .extension(AUTHENTICATION, 1)
            .extension(DESTINATION_OPTIONS, 2)
            .fragment(0, false)
    };
    let bytes = 8 + 12 + 24 + 8;
    let netbios = Frame::udp("[fd00:1::2]:137", "[2001:4860::8844]:137").payload(&[1; 9]);
    let expected = kept(Side::Local, "[fd00:1::2]:137", "[2001:4860::8844]:137", 57 + bytes).udp().payload(9);
    let rows = [
        cut("before TCP", &chained(syn_v6()), TCP_ENOUGH, &kept_syn_v6(60 + bytes).reported()),
        cut("before UDP", &chained(netbios), UDP_ENOUGH, &expected.reported()),
    ];
    hold_bytes(
        "cut_chain_of_extension_headers_is_a_short_frame",
        &Setup::default(),
        rows.into_iter().flatten(),
    );
}

#[test]
fn cut_datagram_is_short_until_its_length() {
    let v4 = Frame::udp("10.0.0.2:50000", "8.8.4.4:137").payload(&[1; 10]);
    let v6 = Frame::udp("[fd00:1::2]:50000", "[2001:4860::8844]:138").payload(&[1; 10]);
    let reported_v4 = kept(Side::Local, "10.0.0.2:50000", "8.8.4.4:137", 38).udp().payload(10);
    let reported_v6 = kept(Side::Local, "[fd00:1::2]:50000", "[2001:4860::8844]:138", 58).udp().payload(10);
    let rows = [
        cut("IPv4", &v4, UDP_ENOUGH, &reported_v4.reported()),
        cut("IPv6", &v6, UDP_ENOUGH, &reported_v6.reported()),
    ];
    hold_bytes("cut_datagram_is_short_until_its_length", &Setup::default(), rows.into_iter().flatten());
}

#[test]
fn marks_smb_once_its_magic_is_complete() {
    let frame = syn().flags(ACK).payload(b"\0\0\0\x40\xFESMB\x40\0\0\0");
    let reported = |marks| kept_syn(52).flags(ACK).payload(12).marked(marks).reported();
    let rows = cut("SMB", &frame, TCP_ENOUGH, &reported(0)).into_iter().map(|(name, bytes, outcome)| {
        let magic = bytes.len() >= 54 + 8;
        (name, bytes, if magic { reported(SMB_FROM_LOCAL) } else { outcome })
    });
    hold_bytes("marks_smb_once_its_magic_is_complete", &Setup::default(), rows);
}

#[test]
fn internal_packet_is_lateral_once_its_ports_are_there() {
    let frame = Frame::tcp("10.0.0.2:50000", "10.9.9.9:445");
    let rows = cut("lateral", &frame, 4, &counted(Counter::Lateral));
    hold_bytes("internal_packet_is_lateral_once_its_ports_are_there", &Setup::default(), rows);
}

#[test]
fn cut_packet_of_another_protocol_is_foreign_once_that_is_known() {
    let cut_at = |name: &str, frame: &Frame, known: usize| {
        let bytes = frame.build();
        let outcome = |len| {
            if len < known { counted(Counter::ShortFrame) } else { foreign() }
        };
        (0..=bytes.len())
            .map(|len| (format!("{name} cut to {len}"), bytes[..len].to_vec(), outcome(len)))
            .collect::<Vec<_>>()
    };
    let rows = [
        cut_at("ARP", &syn().ethertype(0x0806), 14),
        cut_at("ARP in a VLAN", &syn().tag(VLAN, 1).ethertype(0x0806), 18),
        cut_at("ICMP", &Frame::of(1, "10.0.0.2:1", "8.8.4.4:445"), 14 + 10),
        cut_at("ICMPv6", &Frame::of(58, CLIENT_V6, SERVER_V6), 14 + 8),
        // The ports are readable, and not watched.
        cut_at("HTTPS", &Frame::tcp("10.0.0.2:50000", "8.8.4.4:443"), 14 + 24),
    ];
    hold_bytes(
        "cut_packet_of_another_protocol_is_foreign_once_that_is_known",
        &Setup::default(),
        rows.into_iter().flatten(),
    );
}
