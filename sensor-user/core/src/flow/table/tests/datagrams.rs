//! NetBIOS over UDP, by pieces as the kernel sends them.

use sensor_common::{
    payload::PieceKind,
    slot::{Side, UDP, mark},
};
use sensor_dissect::Sender;
use sensor_dissect::stream::Checksum;

use super::{super::MAX_READERS, bench::*};
use crate::{
    address::Direction,
    level::EvidenceLevel,
    record::{Observation, Piece},
    service::ServicePorts,
    time::Moment,
};

/// A node status request or response (RFC 1002 4.2.17, 4.2.18), without names.
fn name_packet(response: bool) -> Vec<u8> {
    let flags: u16 = if response { 0x8400 } else { 0 };
    let header = [7, flags, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    let name = [&[0x20], &b"CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"[..], &[0]].concat();
    [header, name, vec![0, 0x21, 0, 1, 0, 0, 0, 0, 0, 0, 0]].concat()
}

/// Datagrams between an internal port and an external one.
#[derive(Clone, Copy)]
struct Ports(u16, u16);

impl Ports {
    fn counted(self, packets: [u64; 2], first: Side, now: Moment) -> Observation {
        let mut one = with_payload(packets.map(|n| n * 50), started([0; 2], packets, now));
        one.marks = if first == Side::Local { mark::FIRST_FROM_LOCAL } else { 0 };
        one.id.tuple.transport = UDP;
        one.id.tuple.local.set_port(self.0);
        one.id.tuple.remote.set_port(self.1);
        one
    }

    fn piece(self, side: Side, bytes: &[u8]) -> Piece<'_> {
        let id = self.counted([0; 2], side, at(1)).id;
        let (kind, wanted) = (PieceKind::Datagram, bytes.len() as u32);
        Piece { id, side, kind, sequence: 0, wanted, at: at(1).ticks, bytes, checksum: Checksum::Unknown }
    }
}

const ASKED: Ports = Ports(50_000, 137);

fn level(bench: &Bench, ports: Ports) -> EvidenceLevel {
    let tuple = ports.counted([0; 2], Side::Local, at(1)).id.tuple;
    bench.table.entry(&tuple).unwrap().flow.level
}

/// Whether the roles are known, and the direction; `None` without a view.
fn roles(bench: &Bench, ports: Ports) -> Option<(bool, Direction)> {
    let tuple = ports.counted([0; 2], Side::Local, at(1)).id.tuple;
    let view = bench.table.entry(&tuple).unwrap().view(&ServicePorts::default())?;
    Some((view.roles_known, view.direction))
}

/// A table with one flow with a question and an unread answer.
fn replied() -> Bench {
    let mut bench = Bench::new();
    bench.opened(&ASKED.counted([1, 0], Side::Local, at(1)), at(1));
    assert_eq!(bench.piece(&ASKED.piece(Side::Local, &name_packet(false)), at(1)), [Did::Updated]);
    bench.swept(&ASKED.counted([1, 1], Side::Local, at(1)), at(1));
    assert_eq!(level(&bench, ASKED), EvidenceLevel::Attempt);
    bench
}

#[test]
fn name_service_answer_connects() {
    let mut bench = replied();
    assert_eq!(bench.piece(&ASKED.piece(Side::Remote, &name_packet(true)), at(1)), [Did::Updated]);
    assert_eq!(level(&bench, ASKED), EvidenceLevel::Connected);
    assert_eq!(bench.piece(&ASKED.piece(Side::Remote, &name_packet(true)), at(1)), [], "nothing new");
}

#[test]
fn answer_without_netbios_stays_an_attempt() {
    let mut bench = replied();
    bench.piece(&ASKED.piece(Side::Remote, &[0; 60]), at(1));
    bench.advance(at(9));
    assert_eq!(level(&bench, ASKED), EvidenceLevel::Attempt);
    bench.piece(&ASKED.piece(Side::Remote, &name_packet(true)), at(9));
    bench.piece(&ASKED.piece(Side::Remote, &[1; 60]), at(9));
    assert_eq!(level(&bench, ASKED), EvidenceLevel::Connected, "NetBIOS raises it and nothing lowers it");
}

#[test]
fn unread_answer_counts_by_its_packets_after_the_timeout() {
    let mut bench = replied();
    bench.advance(at(9));
    assert_eq!(level(&bench, ASKED), EvidenceLevel::Connected);
    assert_eq!(replied().drain()[0].flow.level, EvidenceLevel::Connected);
    let mut silent = Bench::new();
    silent.opened(&ASKED.counted([3, 0], Side::Local, at(1)), at(1));
    silent.advance(at(9));
    assert_eq!(level(&silent, ASKED), EvidenceLevel::Attempt);
}

#[test]
fn asker_is_client_once_the_question_is_read_or_overdue() {
    let mut bench = Bench::new();
    bench.opened(&ASKED.counted([1, 0], Side::Local, at(1)), at(1));
    assert_eq!(roles(&bench, ASKED), Some((false, Direction::Outbound)), "it may be an answer");
    bench.piece(&ASKED.piece(Side::Local, &name_packet(false)), at(1));
    assert_eq!(roles(&bench, ASKED), Some((true, Direction::Outbound)));
    let mut unread = Bench::new();
    unread.opened(&ASKED.counted([1, 0], Side::Local, at(1)), at(1));
    assert_eq!(unread.advance(at(9)), [Did::Updated]);
    assert_eq!(roles(&unread, ASKED), Some((true, Direction::Outbound)));
}

#[test]
fn unasked_response_shows_the_server_and_proves_nothing() {
    let both = Ports(137, 137);
    let mut bench = Bench::new();
    bench.opened(&both.counted([0, 1], Side::Remote, at(1)), at(1));
    bench.piece(&both.piece(Side::Remote, &name_packet(true)), at(1));
    bench.advance(at(9));
    assert_eq!(roles(&bench, both), Some((false, Direction::Outbound)));
    assert_eq!(level(&bench, both), EvidenceLevel::Attempt);
}

#[test]
fn asker_follows_the_roles() {
    let both = Ports(137, 137);
    let mut bench = Bench::new();
    bench.opened(&both.counted([1, 0], Side::Local, at(2)), at(2));
    bench.piece(&both.piece(Side::Local, &name_packet(false)), at(2));
    let asked_by = |bench: &Bench| {
        let tuple = both.counted([0; 2], Side::Local, at(1)).id.tuple;
        bench.table.entry(&tuple).unwrap().flow.datagrams.as_ref().unwrap().exchanges[0].asked_by
    };
    assert_eq!(asked_by(&bench), Sender::Client);
    // Another CPU saw the other side send before that.
    let earlier = Observation { cpu: 1, ..both.counted([0, 1], Side::Remote, at(1)) };
    bench.swept(&earlier, at(2));
    assert_eq!(asked_by(&bench), Sender::Server);
    assert_eq!(roles(&bench, both).unwrap().1, Direction::Inbound);
}

#[test]
fn resolver_query_from_port_138_is_no_netbios() {
    let resolver = Ports(138, 53);
    let mut bench = Bench::new();
    bench.opened(&resolver.counted([1, 0], Side::Local, at(1)), at(1));
    bench.piece(&resolver.piece(Side::Local, &[0; 40]), at(1));
    bench.swept(&resolver.counted([1, 1], Side::Local, at(1)), at(1));
    bench.piece(&resolver.piece(Side::Remote, &[0; 40]), at(1));
    bench.advance(at(9));
    assert_eq!(roles(&bench, resolver), None);

    let mut late = Bench::new();
    late.opened(&resolver.counted([0, 1], Side::Remote, at(1)), at(1));
    late.piece(&resolver.piece(Side::Remote, &[0; 40]), at(1));
    late.advance(at(9));
    assert_eq!(roles(&late, resolver), Some((false, Direction::Inbound)));
}

#[test]
fn reads_a_bounded_number_of_flows_and_reuses_closed_ones() {
    let mut bench = replied();
    bench.table.readers = MAX_READERS;
    let other = Ports(9, 137);
    bench.opened(&other.counted([1, 0], Side::Local, at(1)), at(1));
    let question = name_packet(false);
    assert_eq!(bench.piece(&other.piece(Side::Local, &question), at(1)), []);
    assert_eq!(bench.table.unread(), 1);
    bench.advance(at(3_000));
    assert_eq!(
        bench.piece(&Piece { at: at(3_000).ticks, ..other.piece(Side::Local, &question) }, at(3_000)),
        [Did::Updated]
    );
    assert_eq!((bench.table.unread(), bench.table.readers), (1, MAX_READERS));
}

#[test]
fn datagram_before_its_flow_waits_for_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.piece(&ASKED.piece(Side::Remote, &name_packet(true)), at(1)), []);
    assert_eq!(bench.opened(&ASKED.counted([1, 1], Side::Local, at(1)), at(1)), [Did::Updated]);
    assert_eq!((level(&bench, ASKED), bench.table.unread()), (EvidenceLevel::Connected, 0));
}
