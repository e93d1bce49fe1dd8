//! The first payload of a side that begins no message: 64 bytes, or more of a ClientHello.

use sensor_common::{
    payload::PieceKind::FirstPayload,
    slot::Side::{Local, Remote},
};
use sensor_tests::Setup;

use super::{Course, ENDS, SECRET, Sent, follow, segment};

/// First sequence number behind the SYN.
const START: u32 = 1_000;

/// The first bytes of a ClientHello as clients send it (RFC 8446 5.1, 4 and 4.1.2), and where it goes on.
const CLIENT_HELLO: [u8; 11] = [22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3];

/// A payload that begins with `first` and is `length` bytes long.
fn long(first: &[u8], length: usize) -> Vec<u8> {
    let mut payload = first.to_vec();
    payload.resize(length, 0xA5);
    payload
}

/// The ClientHello with another byte.
fn with(at: usize, value: u8) -> [u8; 11] {
    let mut bytes = CLIENT_HELLO;
    bytes[at] = value;
    bytes
}

/// Behind a SYN of the client.
fn behind_syn(name: &str, sent: Sent, captured: usize) -> Course {
    let syn = segment(ENDS, Local, START - 1, &[]).modified(|frame| frame.flags(2)).unreported();
    (name.to_owned(), vec![syn, sent.reported(FirstPayload, captured as u32, captured)])
}

fn first(name: &str, payload: &[u8], captured: usize) -> Course {
    behind_syn(name, segment(ENDS, Local, START, payload), captured)
}

#[test]
fn a_client_hello_is_reported_as_far_as_its_segment_goes() {
    let mut rows = vec![
        first("whole", &long(&CLIENT_HELLO, 517), 517),
        first("cut by the segment", &long(&with(3, 7), 1_448), 1_448),
        first("as far as the limit", &long(&with(3, 7), 2_048), 2_048),
        first("longer than that", &long(&with(3, 7), 3_000), 2_048),
        first("the longest record", &long(&with(3, 0x3F), 600), 600),
        first("of a few bytes", &CLIENT_HELLO[..10], 10),
        first("of fewer bytes than are looked at", &CLIENT_HELLO[..9], 9),
    ];
    rows.extend((0..=4).map(|minor| first(&format!("version 3.{minor}"), &long(&with(2, minor), 300), 300)));
    let (name, mut steps) = first("and nothing behind it", &long(&CLIENT_HELLO, 517), 517);
    steps.push(segment(ENDS, Local, START + 517, &long(&CLIENT_HELLO, 600)).unreported());
    steps.push(segment(ENDS, Local, START + 1_117, SECRET).unreported());
    rows.push((name, steps));
    let late = segment(ENDS, Local, START, &long(&CLIENT_HELLO, 517)).unreported();
    rows.push(("not without a SYN".to_owned(), vec![late]));
    follow("a_client_hello_is_reported_as_far_as_its_segment_goes", &Setup::default(), rows);
}

#[test]
fn of_what_is_no_client_hello_64_bytes_are_reported() {
    let no = |name: &str, bytes: [u8; 11]| first(name, &[&long(&bytes, 300)[..], SECRET].concat(), 64);
    let rows = vec![
        no("an alert", with(0, 21)),
        no("application data", with(0, 23)),
        no("another protocol", with(1, 2)),
        no("a version that there is not", with(2, 8)),
        no("a record that is too long", with(3, 0x40)),
        no("a ServerHello", with(5, 2)),
        no("a ClientHello that is too long", with(6, 1)),
        no("a ClientHello of SSL 2", with(9, 2)),
        no("HTTP", *b"GET / HTTP/"),
        no("SSH", *b"SSH-2.0-Ope"),
    ];
    follow("of_what_is_no_client_hello_64_bytes_are_reported", &Setup::default(), rows);
}

#[test]
fn a_cut_client_hello_is_reported_as_far_as_it_is_there() {
    let sent = segment(ENDS, Local, START, &long(&CLIENT_HELLO, 1_448));
    let frame = sent.build();
    let rows = [132, 133, 458, 1_447].map(|there| {
        let mut cut = frame.clone();
        cut.truncate(14 + 20 + 20 + there);
        let syn = segment(ENDS, Local, START - 1, &[]).modified(|frame| frame.flags(2)).unreported();
        let step =
            segment(ENDS, Local, START, &long(&CLIENT_HELLO, 1_448)).reported(FirstPayload, 1_448, there);
        (format!("{there} bytes are there"), vec![syn, step.carried(cut)])
    });
    follow("a_cut_client_hello_is_reported_as_far_as_it_is_there", &Setup::default(), rows.to_vec());
}

#[test]
fn both_sides_may_begin_with_another_protocol() {
    let hello = long(&CLIENT_HELLO, 517);
    let answer = long(&with(5, 2), 1_200);
    let (name, mut steps) = first("TLS", &hello, 517);
    let syn_ack = segment(ENDS, Remote, START - 1, &[]).modified(|frame| frame.flags(18)).unreported();
    steps.insert(1, syn_ack);
    steps.push(segment(ENDS, Remote, START, &answer).reported(FirstPayload, 64, 64));
    follow("both_sides_may_begin_with_another_protocol", &Setup::default(), vec![(name, steps)]);
}
