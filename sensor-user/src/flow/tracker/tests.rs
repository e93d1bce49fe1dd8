//! The table by observations as the kernel tells them.

use std::sync::Arc;

use sensor_common::slot::{Side, tcp};

use super::*;
use crate::{
    config::ServicePorts,
    decode::{Counts, FlowKey, fixtures::observed},
    flow::{DepartureLimits, Evidence},
    kernel::ticks::TickClock,
};

mod datagrams;
mod departures;
mod room;

const CLOCK: TickClock = TickClock::with_tick(4_000_000);

impl Tracker {
    /// Where nothing is exempt.
    pub(crate) fn observe(
        &mut self,
        kind: Option<RecordKind>,
        seen: &Observation,
        now: Moment,
    ) -> Option<&Flow> {
        self.observe_but(kind, seen, now, |_| false)
    }
}

fn tracker() -> Tracker {
    Tracker::new(TrackerOptions {
        services: ServicePorts::default(),
        clock: CLOCK,
        attempt_settle: 3,
        flow_idle: 1_800,
        capacity: 4,
        departures: DepartureLimits::default(),
        fingerprint_key: FingerprintKey::new([1; 32]),
    })
}

fn at(seconds: i128) -> Moment {
    Moment { unix_nanos: seconds * SECOND, ticks: (seconds * 250) as u32 }
}

fn seen(tcp_flags: [u8; 2], packets: [u64; 2], now: Moment) -> Observation {
    Observation {
        marks: mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN,
        tcp_flags,
        counts: Counts { packets, bytes: packets.map(|n| n * 60), ..Counts::default() },
        first: now.ticks,
        last: now.ticks,
        ..observed("8.8.4.4:445")
    }
}

const SYN: [u8; 2] = [tcp::SYN, 0];
const OPEN: [u8; 2] = [tcp::SYN | tcp::ACK, tcp::SYN | tcp::ACK];

#[test]
fn a_lone_syn_is_told_once_when_its_time_is_up() {
    let mut tracker = tracker();
    let began = tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(10)), at(10));
    assert!(!began.unwrap().settled, "what began is given, with its time to be answered ahead");
    assert!(tracker.ripe(at(12).unix_nanos).is_empty());
    let ripe = tracker.ripe(at(13).unix_nanos);
    assert_eq!(ripe.len(), 1);
    assert_eq!((ripe[0].evidence, ripe[0].settled), (Evidence::Attempt, true));
    assert!(tracker.ripe(at(99).unix_nanos).is_empty());
}

#[test]
fn an_answer_is_told_at_once() {
    let mut tracker = tracker();
    let _ = tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(10)), at(10));
    let flow = tracker.observe(Some(RecordKind::Rose), &seen(OPEN, [2, 1], at(10)), at(10)).unwrap();
    assert_eq!(flow.evidence, Evidence::Established);
    assert_eq!(flow.client, Side::Local);
}

#[test]
fn directions_on_different_cpus_are_one_flow() {
    let mut tracker = tracker();
    let _ = tracker.observe(Some(RecordKind::Opened), &seen([tcp::SYN | tcp::ACK, 0], [2, 0], at(1)), at(1));
    let other = Observation { cpu: 1, marks: 0, ..seen([0, tcp::SYN | tcp::ACK], [0, 1], at(1)) };
    let flow = tracker.observe(Some(RecordKind::Opened), &other, at(1)).unwrap();
    assert_eq!(flow.counts().packets, [2, 1]);
    assert_eq!(flow.client, Side::Local);
    assert_eq!(tracker.accounted_packets(), 3);
}

fn stay(generation: u32, seen: Observation) -> Observation {
    Observation { generation, ..seen }
}

#[test]
fn settled_counts_add_up_with_live_ones() {
    let mut tracker = tracker();
    let _ = tracker.observe(Some(RecordKind::Opened), &stay(2, seen(OPEN, [1, 0], at(1))), at(1));
    let _ = tracker.observe(Some(RecordKind::Settled), &stay(2, seen(OPEN, [10, 5], at(2))), at(2));
    let _ = tracker.observe(Some(RecordKind::Opened), &stay(6, seen(OPEN, [1, 0], at(3))), at(3));
    let _ = tracker.observe(None, &stay(6, seen(OPEN, [4, 4], at(4))), at(4));
    assert_eq!(tracker.accounted_packets(), 23);
}

#[test]
fn a_lost_settled_record_keeps_what_the_sweep_saw() {
    let mut tracker = tracker();
    let _ = tracker.observe(None, &stay(2, seen(OPEN, [10, 5], at(1))), at(1));
    let _ = tracker.observe(Some(RecordKind::Opened), &stay(6, seen(OPEN, [1, 0], at(3))), at(3));
    assert_eq!(tracker.accounted_packets(), 16);
}

#[test]
fn records_that_are_read_after_a_sweep_saw_more_take_nothing_back_and_count_nothing_twice() {
    let mut tracker = tracker();
    let _ = tracker.observe(None, &seen(OPEN, [5, 4], at(1)), at(1));
    let _ = tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(1)), at(1));
    let _ = tracker.observe(Some(RecordKind::Rose), &seen(OPEN, [2, 1], at(1)), at(1));
    assert_eq!(tracker.accounted_packets(), 9);
    let _ = tracker.observe(Some(RecordKind::Settled), &seen(OPEN, [5, 4], at(2)), at(2));
    assert_eq!(tracker.accounted_packets(), 9);
}

#[test]
fn a_slot_that_is_evicted_long_after_its_flow_ended_is_no_new_flow() {
    let mut tracker = tracker();
    let ended = seen([tcp::SYN | tcp::ACK | tcp::RST, tcp::SYN | tcp::ACK], [4, 4], at(1));
    let _ = tracker.observe(Some(RecordKind::Closed), &ended, at(1));
    assert_eq!(tracker.closed(at(5).unix_nanos).len(), 1);
    assert!(tracker.closed(at(700).unix_nanos).is_empty());
    assert!(tracker.observe(Some(RecordKind::Settled), &ended, at(701)).is_none());
    assert_eq!(tracker.accounted_packets(), 8);
    assert!(tracker.closed(at(800).unix_nanos).is_empty() && tracker.is_empty());
}

#[test]
fn a_slot_that_is_evicted_when_its_flow_is_long_forgotten_is_no_new_flow() {
    let mut tracker = tracker();
    let first = seen(OPEN, [4, 4], at(1));
    let _ = tracker.observe(Some(RecordKind::Opened), &first, at(1));
    assert_eq!(tracker.closed(at(5_000).unix_nanos).len(), 1);
    let days = 200_000;
    assert!(tracker.closed(at(days).unix_nanos).is_empty() && tracker.is_empty());
    assert!(tracker.observe(Some(RecordKind::Settled), &first, at(days)).is_none());
    let _ = tracker.observe(Some(RecordKind::Opened), &stay(4, seen(SYN, [1, 0], at(days))), at(days));
    let flow = tracker.drain().remove(0);
    assert_eq!((flow.evidence, flow.counts().packets), (Evidence::Attempt, [1, 0]));
    assert_eq!(tracker.accounted_packets(), 9);
}

#[test]
fn a_packet_that_passes_two_interfaces_counts_once_in_its_flow() {
    let mut tracker = tracker();
    let one = seen(OPEN, [3, 3], at(1));
    let two = Observation {
        key: FlowKey { ifindex: 9, ..one.key },
        counts: Counts { packets: [3, 2], ..one.counts },
        ..one
    };
    let _ = tracker.observe(None, &one, at(1));
    let _ = tracker.observe(None, &two, at(1));
    let flow = tracker.drain().remove(0);
    assert_eq!(flow.counts().packets, [3, 3]);
    assert_eq!(flow.interfaces(), [2, 9]);
}

#[test]
fn an_ended_flow_is_given_once_and_a_late_packet_does_not_bring_it_back() {
    let mut tracker = tracker();
    let ended = seen([tcp::SYN | tcp::ACK | tcp::FIN, tcp::SYN | tcp::ACK | tcp::FIN], [4, 4], at(1));
    let _ = tracker.observe(Some(RecordKind::Closed), &ended, at(1));
    assert!(tracker.closed(at(2).unix_nanos).is_empty(), "late packets are waited for");
    assert_eq!(tracker.closed(at(5).unix_nanos).len(), 1);
    let late = Observation { counts: Counts { packets: [5, 4], ..ended.counts }, ..ended };
    assert!(tracker.observe(None, &late, at(6)).is_none());
    assert!(tracker.closed(at(7).unix_nanos).is_empty());
    assert!(tracker.drain().is_empty());
}

#[test]
fn the_same_ports_after_the_end_are_a_new_flow() {
    let mut tracker = tracker();
    let ended = seen([tcp::SYN | tcp::ACK | tcp::RST, tcp::SYN | tcp::ACK], [4, 4], at(1));
    let _ = tracker.observe(Some(RecordKind::Closed), &ended, at(1));
    assert_eq!(tracker.closed(at(5).unix_nanos).len(), 1);
    let _ = tracker.observe(Some(RecordKind::Opened), &stay(6, seen(SYN, [1, 0], at(6))), at(6));
    let flow = tracker.drain().remove(0);
    assert_eq!((flow.evidence, flow.counts().packets), (Evidence::Attempt, [1, 0]));
}

#[test]
fn a_syn_from_a_service_port_is_still_the_clients() {
    let mut tracker = tracker();
    let mut probe = seen([0, tcp::SYN], [0, 1], at(1));
    probe.marks = mark::OPENED_BY_SYN;
    let _ = tracker.observe(Some(RecordKind::Opened), &probe, at(1));
    assert_eq!(tracker.drain()[0].client, Side::Remote);
}

/// Knows one owner, and tells what it was asked for.
struct Asked(std::rc::Rc<std::cell::RefCell<Vec<Opening>>>);

impl Owners for Asked {
    fn owner_of(&mut self, opening: &Opening, _: Moment) -> Option<Arc<crate::owner::Owner>> {
        self.0.borrow_mut().push(*opening);
        (self.0.borrow().len() == 1).then(|| Arc::new(crate::alert::tests::everything_known()))
    }
}

#[test]
fn an_owner_is_asked_for_once_and_stays_with_the_conversation_alone() {
    let asked = Asked(std::rc::Rc::default());
    let openings = std::rc::Rc::clone(&asked.0);
    let mut tracker = tracker().with_owners(Box::new(asked));
    let _ = tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(1)), at(1));
    let risen = tracker.observe(Some(RecordKind::Rose), &seen(OPEN, [2, 1], at(2)), at(2)).unwrap();
    assert!(risen.owner.is_some());
    let first = openings.borrow()[0];
    assert_eq!((first.ticks, first.from_the_start, openings.borrow().len()), (250, true, 1));

    let ended = seen([tcp::SYN | tcp::ACK | tcp::RST, tcp::SYN | tcp::ACK], [4, 4], at(3));
    let _ = tracker.observe(Some(RecordKind::Closed), &ended, at(3));
    assert!(tracker.closed(at(9).unix_nanos)[0].owner.is_some());
    let _ = tracker.observe(Some(RecordKind::Opened), &stay(6, seen(SYN, [1, 0], at(10))), at(10));
    assert!(tracker.drain()[0].owner.is_none(), "the same ends are somebody else's now");
    assert_eq!(openings.borrow().len(), 2);
}

#[test]
fn what_a_stranger_opens_has_no_owner_to_ask_for() {
    let asked = Asked(std::rc::Rc::default());
    let openings = std::rc::Rc::clone(&asked.0);
    let mut tracker = tracker().with_owners(Box::new(asked));
    let mut probe = seen([0, tcp::SYN], [0, 1], at(1));
    probe.marks = mark::OPENED_BY_SYN;
    let _ = tracker.observe(Some(RecordKind::Opened), &probe, at(1));
    assert!(openings.borrow().is_empty());
}

#[test]
fn a_clock_that_steps_back_keeps_nobody_waiting() {
    let mut tracker = tracker();
    let _ = tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(9_000)), at(9_000));
    assert_eq!(tracker.ripe(at(10).unix_nanos).len(), 1);
}

#[test]
fn the_same_ports_again_are_given_a_time_of_their_own() {
    let mut tracker = tracker();
    let ended = seen([tcp::SYN, tcp::RST | tcp::ACK], [1, 1], at(1));
    let _ = tracker.observe(Some(RecordKind::Opened), &ended, at(1));
    assert_eq!(tracker.closed(at(4).unix_nanos).len(), 1, "closed before anybody asked for ripe ones");
    let _ = tracker.observe(Some(RecordKind::Opened), &stay(6, seen(SYN, [1, 0], at(4))), at(4));
    assert!(tracker.ripe(at(5).unix_nanos).is_empty());
    assert_eq!(tracker.ripe(at(7).unix_nanos).len(), 1);
}

#[test]
fn a_flow_remembers_what_was_lost_before_it() {
    let mut tracker = tracker();
    tracker.set_lost_records(5);
    let flow = tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(1)), at(1));
    assert_eq!(flow.unwrap().lost_before, 5);
}
