//! SMB over QUIC, by Initial packets as the kernel hands them up.

use std::net::SocketAddr;

use sensor_common::{
    payload::PieceKind,
    quic::MAX_FLOWS,
    slot::{Side, UDP},
};
use sensor_dissect::stream::Checksum;

use super::bench::*;
use crate::{
    address::{Direction, FiveTuple, FlowId},
    level::EvidenceLevel,
    record::{Observation, Piece},
    service::{Service, ServicePorts},
    time::Moment,
};

const SMB: &[u8] = include_bytes!("../../../../../dissect/fixtures/quic/smb.bin");
const WEB: &[u8] = include_bytes!("../../../../../dissect/fixtures/quic/web.bin");
const FIRST_PART: &[u8] = include_bytes!("../../../../../dissect/fixtures/quic/first-part.bin");
const SECOND_PART: &[u8] = include_bytes!("../../../../../dissect/fixtures/quic/second-part.bin");

/// Between an internal port and UDP 443 outside.
fn outbound(port: u16) -> FiveTuple {
    let local = SocketAddr::from(([10, 0, 0, 2], port));
    FiveTuple { transport: UDP, local, remote: SocketAddr::from(([8, 8, 4, 4], 443)) }
}

fn initial(bench: &mut Bench, tuple: FiveTuple, bytes: &[u8], now: Moment) -> Vec<Did> {
    let id = FlowId { tuple, ifindex: 2 };
    let (side, kind) = (Side::Local, PieceKind::QuicInitial);
    bench.piece(
        &Piece {
            id,
            side,
            kind,
            sequence: 0,
            wanted: 1_200,
            at: now.ticks,
            bytes,
            checksum: Checksum::Unknown,
        },
        now,
    )
}

/// ClientHellos that were read, and that were given up.
fn counts(bench: &Bench) -> (u64, u64) {
    let counts = bench.table.quic_counts();
    (counts.hellos, counts.given_up)
}

/// A slot that counts the flow.
fn counted(tuple: FiveTuple, packets: [u64; 2], now: Moment) -> Observation {
    let mut seen = with_payload(packets.map(|n| n * 1_200), started([0; 2], packets, now));
    seen.marks = 0;
    seen.id.tuple = tuple;
    seen
}

#[test]
fn offer_of_smb_is_a_connection_and_web_is_nothing() {
    let mut bench = Bench::new();
    assert_eq!(initial(&mut bench, outbound(50_000), WEB, at(1)), []);
    assert!(bench.table.is_empty() && bench.table.take_counted_quic().is_none());
    assert_eq!(initial(&mut bench, outbound(50_001), SMB, at(1)), [Did::Updated]);
    let entry = bench.table.entry(&outbound(50_001)).unwrap();
    let view = entry.view(&ServicePorts::default()).unwrap();
    assert_eq!((view.service, view.direction), (Service::SmbOverQuic, Direction::Outbound));
    assert!(view.roles_known && view.usual_port && view.level == EvidenceLevel::Attempt);
    assert_eq!(view.quic.unwrap().server_name.as_deref(), Some("example.com"));
    assert_eq!(bench.table.take_counted_quic(), Some(vec![outbound(50_001)]));
    assert_eq!(bench.table.take_counted_quic(), None, "nothing changed since");
    assert_eq!(counts(&bench), (2, 0));
}

#[test]
fn answer_shows_in_the_counts_and_never_turns_the_roles() {
    let mut bench = Bench::new();
    let tuple = outbound(50_000);
    initial(&mut bench, tuple, SMB, at(1));
    // The first packet that is counted is the server's.
    bench.opened(&counted(tuple, [0, 1], at(1)), at(1));
    let entry = bench.table.entry(&tuple).unwrap();
    assert_eq!(entry.flow.level, EvidenceLevel::Answered);
    assert_eq!(entry.flow.client(), Side::Local);
    assert_eq!(bench.table.accounted_packets(), 1);
    bench.swept(&counted(tuple, [4_000, 4_000], at(2)), at(2));
    let entry = bench.table.entry(&tuple).unwrap();
    assert_eq!(entry.flow.level, EvidenceLevel::Answered, "encrypted volume says nothing of SMB");
}

#[test]
fn parts_are_joined_by_flow_and_forgotten_in_time() {
    let mut bench = Bench::new();
    let [one, other] = [outbound(50_000), outbound(50_001)];
    assert_eq!(initial(&mut bench, one, FIRST_PART, at(1)), []);
    assert_eq!(initial(&mut bench, other, SECOND_PART, at(1)), [], "of another flow");
    assert_eq!(initial(&mut bench, one, SECOND_PART, at(2)), [Did::Updated]);
    bench.advance(at(10));
    assert_eq!(counts(&bench), (1, 0), "there is time");
    bench.advance(at(11));
    assert_eq!(counts(&bench), (1, 1));
    assert_eq!(initial(&mut bench, other, FIRST_PART, at(12)), [], "the other part was forgotten");
}

#[test]
fn unfinished_offers_are_bounded_and_the_oldest_goes_first() {
    let mut bench = Bench::new();
    for port in 0..1_100 {
        initial(&mut bench, outbound(port), FIRST_PART, at(1));
    }
    assert_eq!(counts(&bench), (0, 1_100 - 1_024));
    assert_eq!(initial(&mut bench, outbound(0), SECOND_PART, at(1)), []);
    assert_eq!(initial(&mut bench, outbound(1_099), SECOND_PART, at(1)), [Did::Updated]);
}

#[test]
fn connection_is_counted_until_it_is_over() {
    let mut bench = Bench::new();
    initial(&mut bench, outbound(50_000), SMB, at(1));
    initial(&mut bench, outbound(50_001), SMB, at(100));
    bench.table.take_counted_quic().unwrap();
    bench.advance(at(160));
    assert_eq!(bench.table.take_counted_quic(), Some(vec![outbound(50_001)]));
    // The same ends again.
    assert_eq!(initial(&mut bench, outbound(50_000), SMB, at(170)), [Did::Updated]);
    assert_eq!(bench.table.take_counted_quic(), Some(vec![outbound(50_000), outbound(50_001)]));
}

#[test]
fn counted_connections_are_bounded() {
    let mut bench = Bench::new();
    for port in 0..=MAX_FLOWS as u16 {
        initial(&mut bench, outbound(port), SMB, at(1));
    }
    assert_eq!(bench.table.take_counted_quic().unwrap().len(), MAX_FLOWS);
    assert_eq!(bench.table.quic_counts().uncounted, 1);
}

#[test]
fn open_connection_is_counted_again_after_a_restart() {
    let mut bench = Bench::new();
    initial(&mut bench, outbound(50_000), SMB, at(1));
    let stored: Vec<_> = bench.table.store(|_| true).collect();
    let text = serde_json::to_string(&stored).unwrap();
    let mut next = Bench::new();
    next.table.restore(serde_json::from_str(&text).unwrap());
    assert_eq!(next.table.take_counted_quic(), Some(vec![outbound(50_000)]));
    next.opened(&counted(outbound(50_000), [0, 1], at(2)), at(2));
    let entry = next.table.entry(&outbound(50_000)).unwrap();
    let view = entry.view(&ServicePorts::default()).unwrap();
    assert_eq!((view.service, view.direction), (Service::SmbOverQuic, Direction::Outbound));
}
