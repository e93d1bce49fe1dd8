use std::fmt::Write as _;

use super::*;
use crate::{
    facts::{Exchange, MAX_DATAGRAMS, Operation},
    netbios_datagram::DatagramKind,
};

/// The first-level encoding of a name of fifteen characters and a suffix (RFC 1001 14.1), as a domain name.
fn encoded(name: &str, suffix: u8) -> Vec<u8> {
    let plain = format!("{name:<15}").into_bytes().into_iter().chain([suffix]);
    let letters = plain.flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 15)]);
    [0x20].into_iter().chain(letters).chain([0]).collect()
}

/// A packet of the name service, from its number to its record type.
pub(crate) fn packet(transaction: u16, flags: u16, name: &str, record: u16) -> Vec<u8> {
    let head = [transaction, flags, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    [head, encoded(name, 0x20), record.to_be_bytes().to_vec()].concat()
}

/// Flags of a question.
pub(crate) const ASKS: u16 = 0;
/// Flags of an answer.
const ANSWERS: u16 = 0x8400;

/// A node status response with three names.
pub(crate) fn node_status(transaction: u16) -> Vec<u8> {
    let mut bytes = packet(transaction, ANSWERS, "*", 0x21);
    bytes.extend([0; 8]);
    bytes.push(3);
    for (name, suffix, flags) in [("LAB", 0, 0x84), ("LABSRV", 0, 4), ("FILES", 0x20, 4)] {
        bytes.extend(format!("{name:<15}").as_bytes());
        bytes.extend([suffix, flags, 0]);
    }
    bytes
}

fn only(known: &Datagrams) -> &Exchange {
    let [one] = known.exchanges.as_slice() else { panic!("{known:?}") };
    one
}

#[test]
fn node_status_names_computer_and_workgroup() {
    let mut known = Datagrams::default();
    assert_eq!(read(&mut known, Sender::Client, &packet(7, ASKS, "*", 0x21)), Reading::New);
    assert_eq!((only(&known).operation, &only(&known).answer), (Operation::NodeStatus, &None));
    assert_eq!(read(&mut known, Sender::Client, &packet(7, ASKS, "*", 0x21)), Reading::Known, "asked again");
    assert_eq!(read(&mut known, Sender::Server, &node_status(7)), Reading::New);
    let answer = only(&known).answer.as_ref().unwrap();
    assert_eq!((answer.computer(), answer.workgroup()), (Some("FILES"), Some("LAB")));
    let roles: Vec<_> = answer.names.iter().map(|one| one.name.role(Some(one.group)).unwrap()).collect();
    assert_eq!(roles, ["workgroup or domain", "workstation", "file server"]);
    assert_eq!(read(&mut known, Sender::Server, &node_status(7)), Reading::Known);
}

#[test]
fn answer_without_its_question_shows_who_asked() {
    let mut known = Datagrams::default();
    assert_eq!(read(&mut known, Sender::Client, &node_status(1)), Reading::New);
    assert_eq!(only(&known).asked_by, Sender::Server);
}

#[test]
fn answer_to_another_question_does_not_match() {
    let mut known = Datagrams::default();
    read(&mut known, Sender::Client, &packet(7, ASKS, "*", 0x21));
    read(&mut known, Sender::Server, &node_status(8));
    assert_eq!(known.exchanges.iter().map(|one| one.answer.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn refusal_says_why_without_a_record() {
    let mut known = Datagrams::default();
    read(&mut known, Sender::Client, &packet(7, ASKS, "NOBODY", 0x20));
    read(&mut known, Sender::Server, &packet(7, ANSWERS | 3, "NOBODY", 0x0A));
    let (operation, answer) = (only(&known).operation, only(&known).answer.as_ref().unwrap());
    assert_eq!((operation, answer.refusal()), (Operation::Query, Some("name does not exist")));
}

#[test]
fn wait_acknowledgement_is_no_answer() {
    let mut known = Datagrams::default();
    read(&mut known, Sender::Client, &packet(7, 5 << 11, "LABSRV", 0x20));
    read(&mut known, Sender::Server, &packet(7, ANSWERS | 7 << 11, "LABSRV", 0x20));
    assert_eq!((only(&known).operation, &only(&known).answer), (Operation::Registration, &None));
}

#[test]
fn every_operation_has_its_name() {
    let operations = [(0, Operation::Query), (6, Operation::Release), (8, Operation::Refresh)];
    let more = [(9, Operation::Refresh), (15, Operation::Registration), (4, Operation::Other(4))];
    for (opcode, operation) in operations.into_iter().chain(more) {
        let mut known = Datagrams::default();
        read(&mut known, Sender::Client, &packet(7, opcode << 11, "LABSRV", 0x20));
        assert_eq!(only(&known).operation, operation, "{opcode}");
    }
}

/// An empty datagram of a machine to its group.
pub(crate) fn election() -> Vec<u8> {
    let head = [0x11, 2, 0, 9, 10, 0, 0, 2, 0, 138, 0, 0, 0, 0];
    [&head[..], &encoded("LABSRV", 0x00), &encoded("LAB", 0x1E)].concat()
}

#[test]
fn datagram_names_sender_and_receiver() {
    let bytes = election();
    let mut known = Datagrams::default();
    assert_eq!(read(&mut known, Sender::Client, &bytes), Reading::New);
    assert_eq!(read(&mut known, Sender::Client, &bytes), Reading::Known);
    let [(Sender::Client, message)] = known.messages.as_slice() else { panic!("{known:?}") };
    let names = message.names.as_ref().unwrap();
    assert_eq!(
        (message.kind, message.source_address.to_string()),
        (DatagramKind::DirectGroup, "10.0.0.2".into())
    );
    assert_eq!(
        (names.source.name.as_str(), names.destination.role(None)),
        ("LABSRV", Some("browser elections"))
    );
}

#[test]
fn other_services_are_not_netbios() {
    let resolver = [&packet(7, ASKS, "X", 0x20)[..12], b"\x07example\x03com\x00\x00\x01\x00\x01"].concat();
    let error = |code| vec![0x13, 2, 0, 9, 10, 0, 0, 2, 0, 138, code];
    for bytes in [vec![], vec![0; 50], vec![0x14; 50], resolver, error(0), node_status(1)[..40].to_vec()] {
        let mut known = Datagrams::default();
        assert_eq!(read(&mut known, Sender::Server, &bytes), Reading::NotNetbios, "{bytes:02x?}");
        assert_eq!(known, Datagrams { not_netbios: true, ..Datagrams::default() });
    }
    let mut known = Datagrams::default();
    assert_eq!(read(&mut known, Sender::Server, &error(0x82)), Reading::New, "the name is not there");
}

#[test]
fn response_shows_by_its_bit_or_as_an_error() {
    assert_eq!(is_response(&packet(7, ASKS, "*", 0x21)), Some(false));
    assert_eq!(is_response(&node_status(7)), Some(true));
    assert_eq!(is_response(&[0x13, 2, 0, 9, 10, 0, 0, 2, 0, 138, 0x82]), Some(true));
    let query = [&[0x14, 2, 0, 9, 10, 0, 0, 2, 0, 138][..], &encoded("X", 0x20)].concat();
    assert_eq!((is_response(&query), is_response(&[0; 60])), (None, None));
}

#[test]
fn escapes_and_limits_names() {
    let mut known = Datagrams::default();
    read(&mut known, Sender::Client, &packet(0, ASKS, "\u{1b}[2J\"<script>", 0x20));
    assert_eq!(only(&known).name.name, "\u{FFFD}[2J\"<script>");
    for number in 1..1_000 {
        read(&mut known, Sender::Client, &packet(number, ASKS, "X", 0x20));
    }
    assert_eq!((known.exchanges.len(), known.left_out), (MAX_DATAGRAMS, 1_000 - MAX_DATAGRAMS as u32));
}

#[test]
fn keeps_a_bounded_number_of_node_names_and_counts_the_rest() {
    let mut known = Datagrams::default();
    for number in 0..40 {
        read(&mut known, Sender::Server, &node_status(number));
    }
    let answers = known.exchanges.iter().filter_map(|one| one.answer.as_ref());
    let names: usize = answers.map(|answer| answer.names.len()).sum();
    let reported_names = only(&{
        let mut one = Datagrams::default();
        read(&mut one, Sender::Server, &node_status(1));
        one
    })
    .answer
    .as_ref()
    .map_or(0, |answer| answer.names.len());
    assert_eq!(names, 64);
    assert_eq!(known.left_out as usize, MAX_DATAGRAMS * reported_names - names + 40 - MAX_DATAGRAMS);
}

#[test]
fn cut_packet_says_less_and_nothing_else() {
    let mut whole = Datagrams::default();
    let bytes = node_status(7);
    read(&mut whole, Sender::Server, &bytes);
    let names = |known: &Datagrams| {
        let mut text = String::new();
        for name in known.exchanges.iter().filter_map(|one| one.answer.as_ref()).flat_map(|one| &one.names) {
            write!(text, "{name:?};").unwrap();
        }
        text
    };
    for length in 0..bytes.len() {
        let mut cut = Datagrams::default();
        read(&mut cut, Sender::Server, &bytes[..length]);
        assert!(names(&whole).starts_with(&names(&cut)), "{length}");
    }
}
