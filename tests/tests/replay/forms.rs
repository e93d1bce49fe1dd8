//! Every format of a capture gives the same.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sensor_tests::{ByteOrder, Recording, link};
use serde_json::Value;

use crate::{documents, file, recorded, replay, replay_from, session, stderr};

/// The documents of the plain capture.
fn expected() -> Vec<Value> {
    let documents = documents(&replay(&[recorded("smb3_00.pcap").to_str().unwrap()]));
    assert!(documents.len() >= 3, "{documents:#?}");
    documents
}

#[track_caller]
fn tells_the_same(what: &str, bytes: &[u8], expected: &[Value]) {
    let (_folder, path) = file("capture", bytes);
    let output = replay(&[&path]);
    assert!(output.status.success(), "{what}: {}", stderr(&output));
    assert_eq!(documents(&output), expected, "{what}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

#[test]
fn byte_orders_and_resolutions_make_no_difference() {
    let (session, expected) = (session(), expected());
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for nanoseconds in [false, true] {
            let what = format!("{order:?}, nanoseconds: {nanoseconds}");
            tells_the_same(&what, &session.pcap(order, nanoseconds, link::ETHERNET), &expected);
            tells_the_same(&format!("pcapng, {what}"), &session.pcapng(order, nanoseconds), &expected);
        }
    }
}

/// Link types other than Ethernet that carry both versions of IP.
const OTHER_LINKS: [u16; 8] = [
    link::RAW,
    link::NULL,
    link::LOOP,
    link::LINUX_SLL,
    link::LINUX_SLL2,
    link::PPP,
    link::PPP_HDLC,
    link::PPPOE,
];

#[test]
fn link_types_make_no_difference() {
    let (session, expected) = (session(), expected());
    for link in OTHER_LINKS.into_iter().chain([link::IPV4]) {
        tells_the_same(
            &format!("link type {link}"),
            &session.pcap(ByteOrder::Little, false, link),
            &expected,
        );
    }
}

#[test]
fn link_types_make_no_difference_to_ipv6() {
    let path = recorded("smb6.pcap");
    let session = Recording::of(&path).unwrap();
    let expected = documents(&replay(&[path.to_str().unwrap()]));
    assert!(expected.len() >= 3, "{expected:#?}");
    for link in OTHER_LINKS.into_iter().chain([link::IPV6]) {
        tells_the_same(&format!("link type {link}"), &session.pcap(ByteOrder::Big, true, link), &expected);
    }
}

#[test]
fn packed_captures_give_the_same() {
    let (session, expected) = (session(), expected());
    let plain = session.pcapng(ByteOrder::Little, false);
    tells_the_same("gzip", &gzip(&plain), &expected);
    tells_the_same("zstd", &zstd(&plain), &expected);
    let (one, two) = plain.split_at(plain.len() / 2);
    tells_the_same("two gzip members", &[gzip(one), gzip(two)].concat(), &expected);
    let nothing = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];
    tells_the_same("zstd frames", &[&nothing[..], &zstd(one), &nothing, &zstd(two)].concat(), &expected);
}

#[test]
fn standard_input_gives_the_same() {
    let (session, expected) = (session(), expected());
    for bytes in [
        session.pcap(ByteOrder::Little, false, link::ETHERNET),
        session.pcapng(ByteOrder::Big, true),
        gzip(&session.pcapng(ByteOrder::Little, false)),
    ] {
        let output = replay_from(&bytes, &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(documents(&output), expected);
    }
}

#[test]
fn names_an_unknown_link_type() {
    let (_folder, path) = file("radio.pcap", &session().pcap(ByteOrder::Little, false, 105));
    let output = replay(&[&path]);
    assert!(output.status.code() == Some(1) && output.stdout.is_empty());
    assert!(stderr(&output).contains("link type 105"), "{}", stderr(&output));
}
