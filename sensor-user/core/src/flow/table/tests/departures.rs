//! What leaves between two addresses, by observations.

use super::*;
use crate::flow::Cause;

/// A session of which the sensor saw the middle: SMB both ways, and what left.
fn session(port: u16, left: u64, now: Moment) -> Observation {
    let mut one = seen(OPEN, [90, 90], now);
    one.key.local.set_port(port);
    one.marks = mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE | mark::FIRST_FROM_LOCAL;
    one.counts.payload = [left, 100];
    one
}

#[test]
fn many_small_sessions_between_one_pair_are_noticed_together() {
    let mut tracker = Tracker::new(TrackerOptions { capacity: 1_000, ..tracker().options });
    let causes: Vec<_> = (0..30)
        .filter_map(|n| {
            let now = at(100 * i128::from(n));
            let flow = tracker.observe(None, &session(1_000 + n, 512 << 10, now), now)?;
            flow.departure.map(|departure| (n, departure.cause))
        })
        .collect();
    assert_eq!(causes, [(19, Cause::Bytes)], "ten megabytes in half ones");
}

#[test]
fn what_no_session_carried_does_not_add_up() {
    let mut tracker = Tracker::new(TrackerOptions { capacity: 1_000, ..tracker().options });
    for (n, now) in (0..30).map(|n| (n, at(100 * i128::from(n)))) {
        let tried = Observation { marks: mark::FIRST_FROM_LOCAL, ..session(1_000 + n, 512 << 10, now) };
        assert_eq!(tracker.observe(None, &tried, now).unwrap().departure, None);
    }
}

#[test]
fn what_an_exempt_conversation_carries_neither_adds_up_nor_silences_another() {
    let limits = DepartureLimits { bytes: 10 << 20, window: 3_600, rate: 1 << 20 };
    let options = TrackerOptions { capacity: 1_000, departures: limits, ..tracker().options };
    let mut tracker = Tracker::new(options);
    let backup = |flow: &Flow| flow.ends.local.port() == 1_000;
    let burst = session(1_000, 40 << 20, at(100));
    let exempt = tracker.observe_but(None, &burst, at(100), backup).unwrap();
    assert_eq!(exempt.departure, None);
    let stolen = session(1_001, 11 << 20, at(200));
    let other = tracker.observe_but(None, &stolen, at(200), backup).unwrap();
    let told = other.departure.map(|departure| (departure.cause, departure.bytes));
    assert_eq!(told, Some((Cause::Bytes, 11 << 20)), "its own bytes alone");
}

#[test]
fn what_left_in_one_recording_is_not_added_to_the_next() {
    let mut tracker = tracker();
    let _ = tracker.observe(None, &session(1_000, 9 << 20, at(100)), at(100));
    let _ = tracker.drain();
    let flow = tracker.observe(None, &session(1_001, 2 << 20, at(150)), at(150));
    assert_eq!(flow.unwrap().departure, None);
}
