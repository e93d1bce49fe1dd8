//! Connections with long idle times.

use sensor_common::slot::RecordKind;

use super::bench::*;
use crate::{level::EvidenceLevel, record::Observation};

const HOUR: i64 = 3_600;

/// The kernel settles a slot that was idle for long, and opens it again with the next packet, which is no SYN.
fn keep_alive(number: u32, second: i64) -> [Observation; 2] {
    let before = with_generation(2 * number, seen(OPEN, [1, 1], at((second - 2 * HOUR).max(1))));
    let now = with_generation(2 * number + 2, started(OPEN, [1, 0], at(second)));
    [before, Observation { marks: now.marks & sensor_common::slot::mark::FIRST_FROM_LOCAL, ..now }]
}

#[test]
fn keep_alives_every_two_hours_are_one_connection() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [1, 1], at(1)), at(1));
    bench.entry_mut().link = 7;
    bench.advance(at(10));
    for number in 1..=4 {
        let second = i64::from(number) * 2 * HOUR;
        assert_eq!(bench.advance(at(second - HOUR)), [Did::Closed]);
        let [before, now] = keep_alive(number, second);
        bench.observe(Some(RecordKind::Settled), &before, at(second));
        assert_eq!(bench.opened(&now, at(second)), [Did::Updated]);
        bench.swept(&Observation { counts: before.counts, ..now }, at(second));
        assert_eq!((bench.view().closed, bench.entry().link), (false, 7));
    }
    let view = bench.view();
    assert_eq!((view.counts.packets, view.level, view.roles_known), ([5, 5], EvidenceLevel::Connected, true));
    assert_eq!(view.first, at(1).at);
}

#[test]
fn remembers_an_idle_connection_for_seven_days() {
    for (days, kept) in [(6, true), (8, false)] {
        let mut bench = Bench::new();
        bench.opened(&seen(OPEN, [2, 1], at(1)), at(1));
        bench.observe(Some(RecordKind::Settled), &seen(OPEN, [2, 1], at(1)), at(2));
        bench.advance(at(HOUR));
        bench.advance(at(days * 24 * HOUR));
        assert_eq!(bench.table.entry(&tuple()).is_some(), kept, "{days}");
    }
}

#[test]
fn forgets_an_unanswered_attempt_soon() {
    let mut bench = Bench::new();
    bench.opened(&started(SYN, [1, 0], at(1)), at(1));
    bench.observe(Some(RecordKind::Settled), &started(SYN, [1, 0], at(1)), at(2));
    assert_eq!(bench.advance(at(200)), [Did::Updated, Did::Closed]);
    bench.advance(at(300));
    assert!(bench.table.entry(&tuple()).is_none());
}

#[test]
fn closed_connections_make_space_for_new_ones() {
    let mut bench = Bench::with_capacity(10);
    for port in 1..=10 {
        let now = at(i64::from(port) * 60);
        let one = from_port(port, started(OPEN, [2, 1], now));
        bench.opened(&one, now);
        bench.observe(Some(RecordKind::Settled), &one, now);
    }
    assert_eq!(bench.table.len(), 10);
    for minute in 30..=45 {
        bench.advance(at(minute * 60));
    }
    assert_eq!(bench.table.len(), 0);
    let mut remembered: Vec<_> = bench.table.entries().map(|entry| entry.flow.tuple.local.port()).collect();
    remembered.sort_unstable();
    assert_eq!(remembered, [6, 7, 8, 9, 10], "half of the capacity, those that were closed last");
}
