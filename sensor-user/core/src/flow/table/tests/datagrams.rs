//! What datagrams say, by pieces as the kernel hands them over.

use sensor_common::slot::UDP;

use super::*;
use crate::dissect::{
    Sender,
    datagram::tests::{ASKS, node_status, packet},
};

/// A question to a stranger's name service, and what came back.
fn counted(packets: [u64; 2], now: Moment) -> Observation {
    let mut one = seen([0; 2], packets, now);
    (one.key.transport, one.marks) = (UDP, mark::FIRST_FROM_LOCAL);
    one.key.remote.set_port(137);
    one.counts.payload = packets.map(|n| n * 50);
    one
}

fn piece(side: Side, bytes: &[u8]) -> Piece<'_> {
    let (kind, wanted) = (PieceKind::Datagram, bytes.len() as u32);
    Piece { key: counted([0; 2], at(0)).key, side, kind, sequence: 0, wanted, at: 0, bytes }
}

fn question() -> Vec<u8> {
    packet(7, ASKS, "*", 0x21)
}

/// A table with one conversation in which a question was asked and something came back, of which no word was told.
fn replied() -> Tracker {
    replied_between(counted([0; 2], at(0)).key.local.port())
}

/// The same with the internal end on a port.
fn replied_between(port: u16) -> Tracker {
    let mut tracker = tracker();
    let counted = |packets| {
        let mut one = counted(packets, at(1));
        one.key.local.set_port(port);
        one
    };
    let words = question();
    let asks = Piece { key: counted([0; 2]).key, ..piece(Side::Local, &words) };
    let _ = tracker.observe(Some(RecordKind::Opened), &counted([1, 0]), at(1));
    assert!(tracker.piece(&asks).is_some(), "a question is news");
    let flow = tracker.observe(Some(RecordKind::Rose), &counted([1, 1]), at(1));
    assert!(flow.is_none(), "that something came back is none");
    tracker
}

#[test]
fn an_answer_of_the_name_service_establishes_and_tells_names() {
    let mut tracker = replied();
    let flow = tracker.piece(&piece(Side::Remote, &node_status(7))).unwrap();
    assert_eq!(flow.evidence, Evidence::Established);
    let exchange = &flow.datagrams.as_ref().unwrap().exchanges[0];
    assert_eq!(exchange.answer.as_ref().unwrap().computer(), Some("FILES"));
    assert!(tracker.piece(&piece(Side::Remote, &node_status(7))).is_none(), "the same again is no news");
}

#[test]
fn who_asked_turns_with_who_opened() {
    let mut tracker = replied();
    let asked_by = |tracker: &mut Tracker, earlier: &Observation| {
        let _ = tracker.observe(None, earlier, at(2));
        tracker.drain()[0].datagrams.as_ref().unwrap().exchanges[0].asked_by
    };
    let mut earlier = counted([1, 1], at(1));
    earlier.first -= 100;
    assert_eq!(asked_by(&mut tracker, &earlier), Sender::Client);
    // Both ends on port 137, and a record of the other side that is earlier: that side opened.
    let mut tracker = replied_between(137);
    earlier.key.local.set_port(137);
    earlier.marks = 0;
    assert_eq!(asked_by(&mut tracker, &earlier), Sender::Server);
}

#[test]
fn so_many_conversations_are_listened_to_and_one_that_is_closed_makes_room() {
    let mut tracker = replied();
    assert_eq!(tracker.readers, 1);
    tracker.readers = MOST_READERS;
    let mut other = counted([1, 0], at(1));
    other.key.local.set_port(9);
    let _ = tracker.observe(Some(RecordKind::Opened), &other, at(1));
    let words = question();
    let unheard = Piece { key: other.key, ..piece(Side::Local, &words) };
    assert!(tracker.piece(&unheard).is_none());
    assert_eq!(tracker.unread(), 1);
    let closed = tracker.closed(at(2_000).unix_nanos);
    assert_eq!((closed.len(), tracker.readers), (2, MOST_READERS - 1));
    assert!(closed.iter().any(|flow| flow.datagrams.is_some()), "what was heard is told");
    assert!(tracker.flows.values().all(|entry| entry.flow.datagrams.is_none()), "and then forgotten");
}

#[test]
fn an_answer_that_is_no_netbios_stays_an_attempt_however_long_it_is_waited_for() {
    let mut tracker = replied();
    assert!(tracker.piece(&piece(Side::Remote, &[0; 60])).is_none());
    assert_eq!(tracker.ripe(at(9).unix_nanos)[0].evidence, Evidence::Attempt);
    assert_eq!(tracker.closed(at(2_000).unix_nanos)[0].evidence, Evidence::Attempt);
}

#[test]
fn what_comes_later_raises_what_was_foreign_and_never_lowers_what_was_netbios() {
    let mut tracker = replied();
    let _ = tracker.piece(&piece(Side::Remote, &[0; 60]));
    assert!(tracker.piece(&piece(Side::Remote, &node_status(7))).is_some());
    let _ = tracker.piece(&piece(Side::Remote, &[1; 60]));
    assert_eq!(tracker.drain()[0].evidence, Evidence::Established);
}

#[test]
fn where_the_words_of_an_answer_are_lost_its_packets_speak_once_its_time_is_up() {
    assert_eq!(replied().ripe(at(9).unix_nanos)[0].evidence, Evidence::Established);
    assert_eq!(replied().closed(at(2_000).unix_nanos)[0].evidence, Evidence::Established);
    assert_eq!(replied().drain()[0].evidence, Evidence::Established);
    let mut silent = tracker();
    let _ = silent.observe(Some(RecordKind::Opened), &counted([3, 0], at(1)), at(1));
    assert_eq!(silent.ripe(at(9).unix_nanos)[0].evidence, Evidence::Attempt);
}

#[test]
fn a_datagram_ahead_of_its_flow_waits_for_it() {
    let mut tracker = tracker();
    assert!(tracker.piece(&piece(Side::Remote, &node_status(7))).is_none());
    let flow = tracker.observe(Some(RecordKind::Opened), &counted([1, 1], at(1)), at(1)).unwrap();
    assert_eq!((flow.evidence, flow.datagrams.is_some()), (Evidence::Established, true));
    assert_eq!(tracker.unread(), 0);
}
