//! Sweeps from records of the kernel to documents, and what their documents say of other features.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use sensor_common::slot::{RecordKind, mark, tcp};

use super::*;
use crate::{
    alert::{
        document::tests::{SWEEP, assert_valid},
        indicator::tests::lists,
        tests::everything_known,
    },
    decode::{Counts, FlowKey, Observation},
    dissect::FingerprintKey,
    flow::{DepartureLimits, Tracker, TrackerOptions},
    kernel::ticks::{Moment, TickClock},
    owner::{Owner, Thread},
};

const SECOND: i128 = 1_000_000_000;
pub(super) const SYN: ([u8; 2], [u64; 2]) = ([tcp::SYN, 0], [1, 0]);
pub(super) const OPEN: ([u8; 2], [u64; 2]) = ([tcp::SYN | tcp::ACK, tcp::SYN | tcp::ACK], [2, 1]);

/// Tracker and book, one after the other.
pub(super) struct Stages {
    pub(super) tracker: Tracker,
    pub(super) book: AlertBook,
    pub(super) told: Vec<Value>,
}

fn at(seconds: i128) -> (Moment, Context<'static>) {
    let unix_nanos = seconds * SECOND;
    let now = Moment { unix_nanos, ticks: (seconds * 250) as u32 };
    (now, Context { now: unix_nanos, ..Context::for_tests() })
}

impl Stages {
    pub(super) fn new() -> Self {
        let tracker = Tracker::new(TrackerOptions {
            services: ServicePorts::default(),
            clock: TickClock::with_tick(4_000_000),
            attempt_settle: 3,
            flow_idle: 1_800,
            capacity: 100,
            departures: DepartureLimits::default(),
            fingerprint_key: FingerprintKey::new([1; 32]),
        });
        Self { tracker, book: book(vec![]), told: vec![] }
    }

    /// A connection to the `n`th server begins.
    pub(super) fn begins(&mut self, n: u8, how: ([u8; 2], [u64; 2]), seconds: i128) {
        let ends = ("10.0.0.2:50000".parse().unwrap(), format!("8.8.4.{n}:445").parse().unwrap());
        self.begins_between(ends, how, 0, seconds);
    }

    /// A connection between two ends begins.
    pub(super) fn begins_between(
        &mut self,
        (local, remote): (SocketAddr, SocketAddr),
        (tcp_flags, packets): ([u8; 2], [u64; 2]),
        marks: u16,
        seconds: i128,
    ) {
        let (now, context) = at(seconds);
        let seen = Observation {
            key: FlowKey { transport: TCP, local, remote, ifindex: 2 },
            cpu: 0,
            generation: 2,
            marks: mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN | marks,
            tcp_flags,
            content: [false; 2],
            counts: Counts { packets, bytes: packets.map(|n| n * 60), ..Counts::default() },
            first: now.ticks,
            last: now.ticks,
            vlan: None,
        };
        let flow = self.tracker.observe(Some(RecordKind::Opened), &seen, now).cloned();
        if let Some(evicted) = self.tracker.take_evicted() {
            self.told.extend(self.book.close(&evicted, &mut Nothing, &context));
        }
        self.told.extend(self.book.look(&flow.unwrap(), &mut Nothing, &context));
    }

    pub(super) fn advance(&mut self, seconds: i128) {
        let (now, context) = at(seconds);
        self.told.extend(self.book.turn(&context));
        let recalled = self.book.recall(|ends| self.tracker.open(ends).cloned(), &mut Nothing, &context);
        self.told.extend(recalled.into_iter().flat_map(|(_, told)| told));
        for flow in self.tracker.ripe(now.unix_nanos) {
            self.told.extend(self.book.look(&flow, &mut Nothing, &context));
        }
        for flow in self.tracker.closed(now.unix_nanos) {
            self.told.extend(self.book.close(&flow, &mut Nothing, &context));
        }
        self.told.extend(self.book.advance(&context));
    }

    pub(super) fn finish(&mut self, seconds: i128) {
        let (_, context) = at(seconds);
        for flow in self.tracker.drain() {
            self.told.extend(self.book.close(&flow, &mut Nothing, &context));
        }
        self.told.extend(self.book.finish(&context));
    }

    /// Sweeps that were told of.
    fn sweeps(&self) -> usize {
        let ids: BTreeSet<_> = sweeps(&self.told).map(|told| field(told, "/event/id").to_string()).collect();
        ids.len()
    }
}

fn sweeps(documents: &[Value]) -> impl Iterator<Item = &Value> {
    documents.iter().filter(|document| field(document, "/rule/id") == "smb-sweep")
}

#[test]
fn what_is_still_open_at_the_end_of_the_run_is_not_tried_again() {
    let mut stages = Stages::new();
    for n in 0..25 {
        stages.begins(n, OPEN, i128::from(n) * 60);
        stages.advance(i128::from(n) * 60 + 5);
    }
    stages.finish(1_600);
    assert_eq!(stages.sweeps(), 0, "five in each window");
}

#[test]
fn connections_that_end_idle_are_not_the_same_sweep_again() {
    let mut stages = Stages::new();
    for n in 0..30 {
        stages.begins(n, OPEN, 1_000);
    }
    for seconds in (1_000..4_000).step_by(5) {
        stages.advance(seconds);
    }
    stages.finish(4_000);
    let told: Vec<_> = sweeps(&stages.told)
        .map(|told| {
            (field(told, "/event/sequence").as_u64(), field(told, "/smb_sensor/alert/status").as_str())
        })
        .collect();
    assert_eq!(told, [(Some(0), Some("opened")), (Some(1), Some("closed"))]);
}

#[test]
fn an_attempt_that_is_given_up_is_not_tried_again() {
    let mut stages = Stages::new();
    for seconds in 0..700 {
        if seconds % 22 == 0 && seconds / 22 < 20 {
            stages.begins((seconds / 22) as u8, SYN, 1_000 + seconds);
        }
        stages.advance(1_000 + seconds);
    }
    stages.finish(1_700);
    assert_eq!(stages.sweeps(), 0, "fourteen in each window");
}

#[test]
fn a_recording_knows_nothing_of_the_one_before() {
    let mut stages = Stages::new();
    (0..12).for_each(|n| stages.begins(n, SYN, 1_000));
    stages.finish(1_001);
    // It began earlier, and came as far.
    (12..24).for_each(|n| stages.begins(n, SYN, 1_010));
    stages.finish(1_011);
    assert_eq!(stages.sweeps(), 0);
}

/// The last document on a sweep of these flows.
fn swept(flows: &[Flow], context: &Context<'_>) -> Value {
    let mut book = book(vec![]);
    let mut documents = told(&mut book, flows, context);
    documents.extend(book.finish(context));
    let last = sweeps(&documents).last().unwrap().clone();
    assert_valid(SWEEP, &last);
    last
}

#[test]
fn a_listed_target_that_answered_has_an_alert_of_its_own() {
    let threats = lists();
    let context = Context { threats: &threats, ..Context::for_tests() };
    let mut flows: Vec<_> = (0..30).map(|n| tried(n, Evidence::Established)).collect();
    flows[7].marks |= mark::THREAT;
    flows[8] = tried(8, Evidence::Refused);
    flows[8].marks |= mark::THREAT;
    let mut book = book(vec![]);
    let documents = told(&mut book, &flows, &context);
    let own: Vec<_> = documents.iter().filter(|one| field(one, "/rule/id") != "smb-sweep").collect();
    assert_eq!(own.len(), 1, "{own:#?}");
    assert_eq!(field(own[0], "/destination/ip"), "8.8.4.7");
    assert_eq!(field(own[0], "/smb_sensor/alert/severity"), "critical");
    let last = book.finish(&context).remove(0);
    assert_valid(SWEEP, &last);
    assert_eq!(field(&last, "/smb_sensor/sweep/listed"), 2);
    assert_eq!(field(&last, "/smb_sensor/sweep/folded_flows"), 29);
    assert!(field(&last, "/message").as_str().unwrap().contains("2 of them are on threat lists"), "{last:#}");
}

#[test]
fn a_folded_attempt_on_a_listed_target_is_told_when_it_connects() {
    let mut book = book(vec![]);
    let context = Context::for_tests();
    let mut flows: Vec<_> = (0..30).map(|n| tried(n, Evidence::Attempt)).collect();
    flows[7].marks |= mark::THREAT;
    assert_eq!(rules_of(&told(&mut book, &flows, &context)), ["smb-sweep"]);
    let mut connected = tried(7, Evidence::Established);
    connected.marks |= mark::THREAT;
    assert_eq!(rules_of(&book.look(&connected, &mut Nothing, &context)), ["smb-to-internet"]);
}

#[test]
fn a_listed_source_is_named_and_makes_the_sweep_critical_once_a_target_answers() {
    let threats = lists();
    let context = Context { threats: &threats, ..Context::for_tests() };
    let of = |evidence| {
        let flows: Vec<_> = (0..30)
            .map(|n| {
                let inside = format!("10.0.0.{n}:445");
                let mut flow = flow(TCP, &inside, "8.8.4.4:50000", Side::Remote, evidence);
                flow.settled = true;
                flow.marks |= mark::THREAT;
                flow
            })
            .collect();
        swept(&flows, &context)
    };
    let (tried, answered) = (of(Evidence::Attempt), of(Evidence::Established));
    assert_eq!(field(&tried, "/smb_sensor/alert/severity"), "medium");
    assert_eq!(field(&answered, "/smb_sensor/alert/severity"), "critical");
    for document in [tried, answered] {
        assert_eq!(field(&document, "/threat/indicator/ip"), "8.8.4.4");
        assert_eq!(field(&document, "/smb_sensor/threat_lists/0/list"), "feed");
        assert_eq!(field(&document, "/smb_sensor/sweep/listed"), 1);
    }
}

#[test]
fn what_enforcement_dropped_of_a_sweep_is_told() {
    let context = Context { networks_defined: false, ..Context::for_tests() };
    let mut flows: Vec<_> = (0..30).map(|n| tried(n, Evidence::Attempt)).collect();
    let open = swept(&flows, &context);
    assert_eq!(field(&open, "/event/type"), &serde_json::json!(["end"]));
    assert_eq!(field(&open, "/smb_sensor/evidence/level"), "attempt");
    let check = field(&open, "/smb_sensor/note/check").as_str().unwrap();
    assert!(check.contains("networks.internal"), "{check}");
    flows[3..20].iter_mut().for_each(|flow| flow.marks |= mark::DROPPED);
    let dropped = swept(&flows, &context);
    assert_eq!(field(&dropped, "/event/type"), &serde_json::json!(["denied"]));
    assert_eq!(field(&dropped, "/smb_sensor/enforcement"), "dropped");
    assert_eq!(field(&dropped, "/smb_sensor/sweep/dropped"), 17);
}

#[test]
fn the_one_process_that_sweeps_is_named_and_of_several_none() {
    let context = Context::for_tests();
    let mut flows: Vec<_> = (0..30).map(|n| tried(n, Evidence::Attempt)).collect();
    let owned = |flows: &mut [Flow], owner: Owner| {
        let owner = Arc::new(owner);
        flows.iter_mut().for_each(|flow| flow.owner = Some(Arc::clone(&owner)));
    };
    owned(&mut flows, everything_known());
    let one = swept(&flows, &context);
    assert_eq!(field(&one, "/process/pid"), 4_242);
    assert_eq!(field(&one, "/process/thread/id"), 4_250);
    let thread = Some(Thread { id: 4_251, name: "worker".into() });
    owned(&mut flows[9..], Owner { thread, ..everything_known() });
    let threads = swept(&flows, &context);
    assert_eq!(field(&threads, "/process/pid"), 4_242);
    assert!(threads.pointer("/process/thread").is_none(), "several threads of one process");
    owned(&mut flows[9..], Owner { process: 7, ..everything_known() });
    assert!(swept(&flows, &context).get("process").is_none());
    flows[9..].iter_mut().for_each(|flow| flow.owner = None);
    assert!(swept(&flows, &context).get("process").is_none(), "of some nobody knows");
}
