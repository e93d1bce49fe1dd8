//! Counts of slots, and when a connection is reported.

use sensor_common::slot::{RecordKind, Side};

use super::bench::*;
use crate::{
    address::FlowId,
    level::EvidenceLevel,
    record::{Counts, Observation},
};

#[test]
fn reports_a_lone_syn_at_its_start_and_after_its_timeout() {
    let mut bench = Bench::new();
    assert_eq!(bench.opened(&started(SYN, [1, 0], at(10)), at(10)), [Did::Updated]);
    assert!(!bench.view().settled);
    assert_eq!(bench.advance(at(12)), []);
    assert_eq!(bench.advance(at(13)), [Did::Updated]);
    assert_eq!((bench.view().level, bench.view().settled), (EvidenceLevel::Attempt, true));
    assert_eq!(bench.advance(at(99)), []);
}

#[test]
fn reports_an_answer_at_once() {
    let mut bench = Bench::new();
    bench.opened(&started(SYN, [1, 0], at(10)), at(10));
    let rose = bench.observe(Some(RecordKind::Rose), &started(OPEN, [2, 1], at(10)), at(10));
    assert_eq!(rose, [Did::Updated]);
    assert_eq!(bench.view().level, EvidenceLevel::Connected);
    let again = bench.swept(&started(OPEN, [2, 1], at(10)), at(11));
    assert_eq!(again, [], "nothing is new");
}

#[test]
fn reports_a_connection_again_when_counts_double_or_much_has_moved() {
    let mut bench = Bench::new();
    let counted = |packets: u64, payload: u64| with_payload([payload, 0], seen(OPEN, [packets, 9], at(2)));
    bench.opened(&counted(11, 10 << 20), at(2));
    assert_eq!(bench.swept(&counted(12, 10 << 20), at(3)), []);
    assert_eq!(bench.swept(&counted(13, 11 << 20), at(4)), [Did::Updated], "a MiB more");
    assert_eq!(bench.swept(&counted(37, 11 << 20), at(5)), [Did::Updated], "twice the packets");
    assert_eq!(bench.swept(&counted(38, 11 << 20), at(5)), []);
}

#[test]
fn directions_on_two_cpus_are_one_connection() {
    let mut bench = Bench::new();
    bench.opened(&seen([OPEN[0], 0], [2, 0], at(1)), at(1));
    let other = Observation { cpu: 1, marks: 0, ..seen([0, OPEN[1]], [0, 1], at(1)) };
    assert_eq!(bench.opened(&other, at(1)), [Did::Updated]);
    assert_eq!((bench.view().counts.packets, bench.entry().flow.client()), ([2, 1], Side::Local));
    assert_eq!(bench.table.accounted_packets(), 3);
}

#[test]
fn settled_counts_add_to_those_in_slots() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [1, 0], at(1)), at(1));
    bench.observe(Some(RecordKind::Settled), &seen(OPEN, [10, 5], at(2)), at(2));
    // A slot whose counts were near their limit continues in another generation, with the same SYN.
    bench.swept(&with_generation(6, seen(OPEN, [4, 4], at(4))), at(4));
    assert_eq!((bench.table.accounted_packets(), bench.view().counts.packets), (23, [14, 9]));
}

#[test]
fn lost_settled_record_keeps_the_counts_of_the_sweep() {
    let mut bench = Bench::new();
    bench.swept(&seen(OPEN, [10, 5], at(1)), at(1));
    let later = Observation { marks: 0, ..with_generation(6, started(OPEN, [1, 0], at(3))) };
    bench.opened(&later, at(3));
    assert_eq!(bench.table.accounted_packets(), 16);
}

#[test]
fn records_older_than_a_sweep_subtract_and_repeat_nothing() {
    let mut bench = Bench::new();
    bench.swept(&seen(OPEN, [5, 4], at(1)), at(1));
    bench.opened(&seen(SYN, [1, 0], at(1)), at(1));
    bench.observe(Some(RecordKind::Rose), &seen(OPEN, [2, 1], at(1)), at(1));
    assert_eq!(bench.table.accounted_packets(), 9);
    bench.observe(Some(RecordKind::Settled), &seen(OPEN, [5, 4], at(2)), at(2));
    assert_eq!(bench.table.accounted_packets(), 9);
}

#[test]
fn packet_on_two_interfaces_counts_once() {
    let mut bench = Bench::new();
    let one = seen(OPEN, [3, 3], at(1));
    let two = Observation {
        id: FlowId { ifindex: 9, ..one.id },
        counts: Counts { packets: [3, 2], ..one.counts },
        ..one
    };
    bench.swept(&one, at(1));
    bench.swept(&two, at(1));
    assert_eq!((bench.view().counts.packets, bench.view().ifindex), ([3, 3], Some(2)));
}

#[test]
fn clock_step_back_delays_nothing() {
    let mut bench = Bench::new();
    bench.opened(&started(SYN, [1, 0], at(9_000)), at(9_000));
    assert_eq!(bench.advance(at(10)), [Did::Updated]);
}

#[test]
fn connection_knows_which_losses_came_before_and_after_it() {
    let mut bench = Bench::new();
    bench.table.set_lost_records(5);
    bench.opened(&seen(SYN, [1, 0], at(1)), at(1));
    assert_eq!((bench.view().lost_before, bench.view().complete), (5, true));
    bench.table.set_lost_records(6);
    bench.swept(&seen(OPEN, [2, 1], at(1)), at(1));
    assert_eq!((bench.view().lost_before, bench.view().complete), (5, false));
}
