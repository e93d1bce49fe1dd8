//! IPv6 extension headers: each alone, in chains, and more of them than are walked.

use sensor_common::{counter::Counter, headers::MAX_EXTENSION_HEADERS, slot::Side};
use sensor_tests::{
    Frame, Setup,
    extension::{AUTHENTICATION, DESTINATION_OPTIONS, ENCRYPTED, HOP_BY_HOP, MOBILITY, NONE, ROUTING},
};

use crate::expect::{CLIENT_V6, Row, SERVER_V6, counted, foreign, hold, kept, kept_syn_v6, syn_v6};

fn chain(frame: Frame, kinds: &[u8]) -> Frame {
    kinds.iter().fold(frame, |frame, kind| frame.extension(*kind, 1))
}

#[test]
fn each_extension_header_alone_leads_to_the_ports() {
    let kinds = [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, MOBILITY];
    let rows = kinds.into_iter().flat_map(|kind| {
        [0, 1, 2, 7, 31].map(|units| {
            let bytes = 60 + 8 * (1 + u64::from(units));
            let frame = syn_v6().extension(kind, units).payload(&[1; 3]);
            ("one header", frame, kept_syn_v6(bytes + 3).payload(3).reported())
        })
    });
    hold("each_extension_header_alone_leads_to_the_ports", &Setup::default(), rows);
}

#[test]
fn authentication_header_counts_in_four_byte_words() {
    let rows = [1, 2, 4, 10].map(|units| {
        let bytes = 60 + 4 * (2 + u64::from(units));
        ("authenticated", syn_v6().extension(AUTHENTICATION, units), kept_syn_v6(bytes).reported())
    });
    hold("authentication_header_counts_in_four_byte_words", &Setup::default(), rows);
}

#[test]
fn walks_chains_in_any_order() {
    let recommended =
        [HOP_BY_HOP, DESTINATION_OPTIONS, ROUTING, AUTHENTICATION, DESTINATION_OPTIONS, MOBILITY];
    let reversed: Vec<u8> = recommended.iter().rev().copied().collect();
    // Five of 16 bytes and one of 12.
    let bytes = 60 + 5 * 16 + 12;
    let netbios = Frame::udp("[fd00:1::2]:137", "[2001:4860::8844]:137");
    let expected = kept(Side::Local, "[fd00:1::2]:137", "[2001:4860::8844]:137", 48 + 16 + 12 + 4);
    let rows: [Row; 3] = [
        ("recommended order", chain(syn_v6(), &recommended), kept_syn_v6(bytes).reported()),
        ("reverse order", chain(syn_v6(), &reversed), kept_syn_v6(bytes).reported()),
        (
            "before UDP",
            chain(netbios, &[ROUTING, AUTHENTICATION]).payload(&[0; 4]),
            expected.udp().payload(4).reported(),
        ),
    ];
    hold("walks_chains_in_any_order", &Setup::default(), rows);
}

#[test]
fn walks_seven_headers_and_counts_an_eighth_by_name() {
    let rows = (1..=10).map(|count| {
        let frame = chain(syn_v6(), &vec![DESTINATION_OPTIONS; count]);
        if count <= MAX_EXTENSION_HEADERS {
            ("walked", frame, kept_syn_v6(60 + 16 * count as u64).reported())
        } else {
            ("too many", frame, counted(Counter::LongExtensionChain))
        }
    });
    assert_eq!(MAX_EXTENSION_HEADERS, 7);
    hold("walks_seven_headers_and_counts_an_eighth_by_name", &Setup::default(), rows);
}

#[test]
fn chain_is_too_long_whatever_its_eighth_header() {
    let eighths = [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, MOBILITY, AUTHENTICATION];
    let rows = eighths.into_iter().map(|kind| {
        let frame = chain(syn_v6(), &[ROUTING; 7]).extension(kind, 1);
        ("eighth header", frame, counted(Counter::LongExtensionChain))
    });
    let fragment = chain(syn_v6(), &[ROUTING; 7]).fragment(0, true);
    let rows = rows.chain([("eighth is a fragment header", fragment, counted(Counter::LongExtensionChain))]);
    hold("chain_is_too_long_whatever_its_eighth_header", &Setup::default(), rows);
}

#[test]
fn chain_with_an_unreadable_end_is_ignored() {
    let icmp = || Frame::of(58, CLIENT_V6, SERVER_V6);
    let rows: [Row; 6] = [
        ("encrypted", syn_v6().extension(ENCRYPTED, 1), foreign()),
        ("no next header", syn_v6().extension(NONE, 0), foreign()),
        ("encrypted behind options", chain(syn_v6(), &[HOP_BY_HOP, ENCRYPTED]), foreign()),
        ("ICMPv6 behind options", chain(icmp(), &[HOP_BY_HOP]), foreign()),
        ("ICMPv6 behind seven headers", chain(icmp(), &[ROUTING; 7]), foreign()),
        ("host identity protocol", syn_v6().extension(139, 1), foreign()),
    ];
    hold("chain_with_an_unreadable_end_is_ignored", &Setup::default(), rows);
}

#[test]
fn header_that_reaches_past_the_frame_is_a_short_frame() {
    let rows = [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, MOBILITY, AUTHENTICATION].map(|kind| {
        let mut bytes = syn_v6().extension(kind, 1).build();
        bytes[55] = 255;
        (format!("header {kind} claims 255 units"), bytes, counted(Counter::ShortFrame))
    });
    crate::expect::hold_bytes("header_that_reaches_past_the_frame_is_a_short_frame", &Setup::default(), rows);
}
