//! A second connection on the same ports.

use sensor_common::slot::{RecordKind, Side, mark};

use super::{
    super::{Change, FlowEntry},
    bench::*,
};
use crate::{address::FlowId, level::EvidenceLevel, record::Observation, time::Moment};

/// An open connection in which alice logged on.
fn alices() -> Bench {
    let mut bench = Bench::new();
    bench.opened(&seen(SYN, [1, 0], at(1)), at(1));
    bench.observe(Some(RecordKind::Rose), &seen(OPEN, [2, 1], at(1)), at(1));
    bench.message(Side::Local, 1, &logon("alice", 1), at(2));
    bench.swept(&with_payload([300, 200], seen(OPEN, [9, 8], at(3))), at(3));
    bench.entry_mut().link = 7;
    bench
}

/// The SYN of the next connection takes the slot of the first: the kernel writes both in one record.
fn replaced(bench: &mut Bench, now: Moment) -> FlowEntry<u32> {
    let last = with_payload([310, 200], seen(OPEN, [10, 8], at(3)));
    bench.observe(Some(RecordKind::Settled), &last, now);
    let changes =
        bench.changes(Some(RecordKind::Opened), &with_generation(4, started(SYN, [1, 0], now)), now);
    assert_eq!(short(&changes), [Did::Removed, Did::Updated]);
    let Some(Change::Removed(entry)) = changes.into_iter().next() else { panic!() };
    *entry
}

#[test]
fn syn_after_an_acknowledgment_starts_a_connection_of_its_own() {
    let mut bench = alices();
    let first = replaced(&mut bench, at(5));
    assert_eq!(
        (first.link, first.flow.level, first.flow.counts().packets),
        (7, EvidenceLevel::Credential, [10, 8])
    );
    assert!(first.is_closed() && first.flow.settled);
    assert_eq!((bench.entry().link, bench.view().level), (0, EvidenceLevel::Attempt));
    assert!(bench.view().facts.is_none() && !bench.view().settled);
    bench.swept(&with_generation(4, seen(OPEN, [3, 2], at(6))), at(6));
    assert_eq!(bench.view().counts.packets, [3, 2]);
    assert_eq!(bench.table.accounted_packets(), 23);
    assert_eq!(bench.advance(at(6)), [], "it has a time of its own to be answered");
    assert_eq!(bench.advance(at(8)), [Did::Updated]);
}

#[test]
fn reader_of_the_first_connection_does_not_read_the_second() {
    let mut bench = alices();
    replaced(&mut bench, at(5));
    assert_eq!(bench.table.readers, 0);
    bench.message(Side::Local, 9_000, &logon("bob", 1), at(6));
    let users: Vec<_> =
        bench.view().facts.unwrap().credentials.iter().filter_map(|one| one.user.clone()).collect();
    assert_eq!(users, ["bob"]);
}

#[test]
fn later_syn_on_another_cpu_starts_another_connection() {
    let mut bench = alices();
    let syn = Observation { cpu: 3, ..started(SYN, [1, 0], at(5)) };
    assert_eq!(bench.opened(&syn, at(5)), [Did::Removed, Did::Updated]);
    // The slot still counts the first connection: its present counts are not the second one's.
    assert_eq!(bench.view().counts.packets, [1, 0]);
    bench.swept(&with_payload([300, 200], seen(OPEN, [9, 10], at(6))), at(6));
    assert_eq!(bench.view().counts.packets, [1, 2], "an answer that its other direction's slot counts");
}

#[test]
fn syn_that_takes_the_slot_starts_another_connection_within_a_tick() {
    let mut bench = Bench::new();
    let first = started(OPEN, [4, 3], at(5));
    bench.opened(&first, at(5));
    bench.observe(Some(RecordKind::Settled), &first, at(5));
    let next = with_generation(4, started(SYN, [1, 0], at(5)));
    assert_eq!(bench.opened(&next, at(5)), [Did::Removed, Did::Updated]);
}

#[test]
fn late_retry_of_a_syn_on_another_cpu_starts_nothing() {
    let mut bench = alices();
    let on_another = |seen: Observation| Observation { cpu: 3, ..seen };
    bench.opened(&on_another(started(SYN, [1, 0], at(5))), at(5));
    bench.swept(&on_another(Observation { first: at(5).ticks, ..seen(OPEN, [2, 1], at(6)) }), at(6));
    // The slot of the first connection counts the packets that the server still sends.
    bench.swept(&seen(OPEN, [9, 10], at(6)), at(6));
    let retry = with_generation(4, started(SYN, [1, 0], at(5)));
    assert!(!bench.opened(&retry, at(7)).contains(&Did::Removed));
}

#[test]
fn clock_set_forward_splits_no_connection() {
    let mut bench = alices();
    let later = Moment { ticks: at(4).ticks, ..at(4_000) };
    assert!(!bench.swept(&seen(OPEN, [10, 8], at(4)), later).contains(&Did::Removed));
    assert_eq!(bench.view().counts.packets, [10, 8]);
}

#[test]
fn same_syn_on_a_second_interface_starts_nothing() {
    let mut bench = alices();
    replaced(&mut bench, at(5));
    let other = |generation, seen: Observation| Observation {
        id: FlowId { ifindex: 9, ..seen.id },
        generation,
        ..seen
    };
    bench.swept(&with_generation(4, seen(OPEN, [2, 1], at(5))), at(5));
    assert_eq!(bench.opened(&other(8, started(SYN, [1, 0], at(5))), at(5)), []);
    assert_eq!(bench.view().counts.packets, [2, 1]);
}

#[test]
fn retries_of_an_unanswered_syn_are_one_connection() {
    let mut bench = Bench::new();
    bench.opened(&started(SYN, [1, 0], at(1)), at(1));
    for (generation, second) in [(4, 2), (6, 4), (8, 8), (10, 16)] {
        let retry = with_generation(generation, started(SYN, [1, 0], at(second)));
        assert!(!bench.opened(&retry, at(second)).contains(&Did::Removed));
    }
    assert_eq!(bench.view().counts.packets, [5, 0]);
}

#[test]
fn retry_after_a_refusal_is_the_same_attempt_until_closed() {
    let refused = [SYN[0], sensor_common::slot::tcp::RST];
    let mut bench = Bench::new();
    bench.opened(&seen(refused, [1, 1], at(1)), at(1));
    let retry = with_generation(4, started(refused, [1, 1], at(2)));
    assert!(!bench.opened(&retry, at(2)).contains(&Did::Removed));
    assert_eq!((bench.view().level, bench.view().counts.packets), (EvidenceLevel::Refused, [2, 2]));
    assert_eq!(bench.advance(at(6)), [Did::Updated, Did::Closed]);
    assert_eq!(bench.opened(&with_generation(6, started(SYN, [1, 0], at(7))), at(7)), [Did::Updated]);
    assert_eq!(bench.view().counts.packets, [1, 0], "another attempt; the first was given as closed");
}

#[test]
fn settled_slot_continues_with_the_same_syn() {
    let mut bench = alices();
    bench.observe(Some(RecordKind::Settled), &seen(OPEN, [10, 8], at(4)), at(4));
    assert_eq!(bench.swept(&with_generation(4, seen(OPEN, [1, 1], at(5))), at(5)), []);
    assert_eq!(bench.view().counts.packets, [11, 9]);
}

#[test]
fn server_syn_cannot_split_its_clients_connection() {
    let mut bench = alices();
    let syn = Observation { marks: mark::OPENED_BY_SYN, ..started([OPEN[0], SYN[0]], [0, 1], at(5)) };
    let changes = bench.opened(&with_generation(4, syn), at(5));
    assert!(!changes.contains(&Did::Removed));
    assert_eq!((bench.entry().flow.client(), bench.view().level), (Side::Local, EvidenceLevel::Credential));
}
