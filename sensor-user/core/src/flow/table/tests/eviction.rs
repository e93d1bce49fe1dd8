//! A full table: which connection is evicted, and what is counted.

use sensor_common::slot::{RecordKind, mark};

use super::{super::Change, bench::*};
use crate::{level::EvidenceLevel, record::Observation, time::Moment};

/// No port.
const NONE: [u16; 0] = [];

const TRIED: ([u8; 2], [u64; 2]) = (SYN, [1, 0]);
const CONNECTED: ([u8; 2], [u64; 2]) = (OPEN, [2, 1]);

/// A connection of its own for each port.
fn numbered(port: u16, (tcp_flags, packets): ([u8; 2], [u64; 2]), now: Moment) -> Observation {
    from_port(port, started(tcp_flags, packets, now))
}

/// Begins one; returns the ports of those that were evicted for it.
fn begins(bench: &mut Bench, port: u16, how: ([u8; 2], [u64; 2]), seconds: i64, marks: u16) -> Vec<u16> {
    let one = with_marks(marks, numbered(port, how, at(seconds)));
    let removed = |change| match change {
        Change::Removed(entry) => Some(entry.flow.tuple.local.port()),
        _ => None,
    };
    bench.changes(Some(RecordKind::Opened), &one, at(seconds)).into_iter().filter_map(removed).collect()
}

fn settled(bench: &mut Bench, port: u16, how: ([u8; 2], [u64; 2]), seconds: i64) {
    bench.observe(Some(RecordKind::Settled), &numbered(port, how, at(seconds)), at(seconds));
}

#[test]
fn flood_of_attempts_evicts_itself_first() {
    let mut bench = Bench::new();
    begins(&mut bench, 9, CONNECTED, 1, 0);
    let gone: Vec<_> = (1_000..1_100).flat_map(|port| begins(&mut bench, port, TRIED, 2, 0)).collect();
    assert_eq!(gone, (1_000..1_097).collect::<Vec<_>>(), "each is given once, the oldest first");
    assert_eq!((bench.table.evicted(), bench.table.untracked()), (97, 0));
    assert_eq!(begins(&mut bench, 10, CONNECTED, 3, 0), [1_097]);
    let ports: Vec<_> = bench.drain().iter().map(|entry| entry.flow.tuple.local.port()).collect();
    assert_eq!(ports, [9, 1_098, 1_099, 10]);
}

#[test]
fn evicts_slotless_connections_before_those_with_smb() {
    let mut bench = Bench::new();
    for port in 1..=4 {
        assert_eq!(begins(&mut bench, port, CONNECTED, 1, 0), NONE);
    }
    // The kernel still counts for all of them: one more packet, and they would be reported a second time.
    assert_eq!(begins(&mut bench, 5, CONNECTED, 2, 0), NONE);
    assert_eq!((bench.table.len(), bench.table.untracked(), bench.table.evicted()), (4, 1, 0));
    settled(&mut bench, 3, CONNECTED, 1);
    assert_eq!(begins(&mut bench, 6, CONNECTED, 3, 0), [3]);

    let mut bench = Bench::new();
    for port in 1..=4 {
        begins(&mut bench, port, CONNECTED, 1, mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE);
        settled(&mut bench, port, CONNECTED, 1);
    }
    assert_eq!(begins(&mut bench, 7, CONNECTED, 3, 0), NONE);
    assert_eq!((bench.table.len(), bench.table.untracked(), bench.table.evicted()), (4, 1, 0));
}

#[test]
fn evicted_attempt_is_reported_and_counted_once() {
    let mut bench = Bench::new();
    for port in 1..=6 {
        begins(&mut bench, port, TRIED, port.into(), 0);
    }
    assert_eq!(bench.table.accounted_packets(), 4, "those of the two are in slots, which will be settled");
    for port in 1..=2 {
        let again = numbered(port, (SYN, [2, 0]), at(port.into()));
        assert_eq!(bench.swept(&again, at(20)), [], "another SYN of one that was given");
        assert_eq!(bench.observe(Some(RecordKind::Settled), &again, at(21)), []);
    }
    assert_eq!((bench.table.accounted_packets(), bench.table.evicted()), (8, 2));
    // An attempt that is answered after all is a connection.
    let answered = Observation { last: at(22).ticks, ..numbered(1, CONNECTED, at(1)) };
    assert_eq!(bench.observe(Some(RecordKind::Rose), &answered, at(22)), [Did::Removed, Did::Updated]);
    let first = |bench: &Bench| bench.table.entry(&answered.id.tuple).unwrap().flow.first;
    assert!(first(&bench) > at(2).at, "it is another than the attempt that was evicted");
    // The next sweep of its slot does not undo that.
    let before = first(&bench);
    bench.swept(&answered, at(23));
    assert_eq!(first(&bench), before);
    let entry = bench.table.entry(&answered.id.tuple).unwrap();
    assert_eq!(entry.flow.level, EvidenceLevel::Connected);
}

#[test]
fn evicts_closed_connections_silently() {
    let mut bench = Bench::new();
    for port in 1..=4 {
        begins(&mut bench, port, TRIED, 1, 0);
    }
    bench.advance(at(200));
    assert_eq!(begins(&mut bench, 5, TRIED, 201, 0), NONE);
    assert_eq!((bench.table.len(), bench.table.evicted(), bench.table.untracked()), (1, 0, 0));
}

#[test]
fn entries_of_gone_connections_do_not_accumulate() {
    let mut bench = Bench::with_capacity(100_000);
    for hour in 0..10 {
        for port in 1..=3_000 {
            begins(&mut bench, port, TRIED, hour * 3_600, 0);
            settled(&mut bench, port, TRIED, hour * 3_600);
        }
        bench.advance(at(hour * 3_600 + 1_000));
        bench.advance(at(hour * 3_600 + 2_000));
    }
    assert!(bench.table.eviction.places() < 5_000, "{}", bench.table.eviction.places());
}
