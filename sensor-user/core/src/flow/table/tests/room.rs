//! A table that is full: who makes room for whom, and what is counted.

use super::*;

/// A flow of its own for each port, by evidence that its flags and counts show.
fn numbered(port: u16, (tcp_flags, packets): ([u8; 2], [u64; 2]), now: Moment) -> Observation {
    let one = seen(tcp_flags, packets, now);
    let local = std::net::SocketAddr::new(one.key.local.ip(), port);
    Observation { key: FlowKey { local, ..one.key }, ..one }
}

const TRIED: ([u8; 2], [u64; 2]) = (SYN, [1, 0]);
const CONNECTED: ([u8; 2], [u64; 2]) = (OPEN, [2, 1]);

fn begins(
    tracker: &mut Tracker,
    port: u16,
    how: ([u8; 2], [u64; 2]),
    seconds: i128,
    marks: u16,
) -> Option<Flow> {
    let one = numbered(port, how, at(seconds));
    let one = Observation { marks: one.marks | marks, ..one };
    tracker.observe(Some(RecordKind::Opened), &one, at(seconds))?;
    tracker.take_evicted()
}

fn ports(tracker: &mut Tracker) -> Vec<u16> {
    tracker.drain().iter().map(|flow| flow.ends.local.port()).collect()
}

#[test]
fn a_flood_of_attempts_pushes_itself_out_and_a_connection_stays() {
    let mut tracker = tracker();
    assert!(begins(&mut tracker, 9, CONNECTED, 1, 0).is_none());
    let mut gone = Vec::new();
    for port in 1_000..1_100 {
        gone.extend(begins(&mut tracker, port, TRIED, 2, 0).map(|flow| flow.ends.local.port()));
    }
    assert_eq!(gone, (1_000..1_097).collect::<Vec<_>>(), "each is given once, the oldest first");
    assert_eq!((tracker.evicted(), tracker.untracked()), (97, 0));
    assert!(begins(&mut tracker, 10, CONNECTED, 3, 0).is_some());
    assert_eq!(ports(&mut tracker), [9, 1_098, 1_099, 10]);
}

#[test]
fn what_connected_and_left_its_slot_makes_room_when_there_is_no_attempt_and_what_spoke_smb_never_does() {
    let mut tracker = tracker();
    for port in 1..=4 {
        assert!(begins(&mut tracker, port, CONNECTED, 1, 0).is_none());
    }
    // The kernel still counts for all of them: a packet more, and they would be told a second time.
    assert!(begins(&mut tracker, 5, CONNECTED, 2, 0).is_none());
    assert_eq!((tracker.len(), tracker.untracked(), tracker.evicted()), (4, 1, 0));
    let left = numbered(3, CONNECTED, at(2));
    let _ = tracker.observe(Some(RecordKind::Settled), &left, at(2));
    assert_eq!(begins(&mut tracker, 6, CONNECTED, 3, 0).unwrap().ends.local.port(), 3);

    let mut tracker = super::tracker();
    for port in 1..=4 {
        let _ = begins(&mut tracker, port, CONNECTED, 1, mark::SMB_FROM_LOCAL);
        let _ = tracker.observe(Some(RecordKind::Settled), &numbered(port, CONNECTED, at(2)), at(2));
    }
    assert!(begins(&mut tracker, 7, CONNECTED, 3, 0).is_none());
    assert_eq!((tracker.len(), tracker.untracked(), tracker.evicted()), (4, 1, 0));
}

#[test]
fn what_made_room_is_not_told_again_when_its_slot_is_heard_of_and_its_packets_are_accounted_once() {
    let mut tracker = tracker();
    for port in 1..=6 {
        let _ = begins(&mut tracker, port, TRIED, i128::from(port), 0);
    }
    assert_eq!(tracker.accounted_packets(), 4, "those of the two are in slots, whose last word is to come");
    for port in 1..=2 {
        let again = numbered(port, (SYN, [2, 0]), at(i128::from(port)));
        assert!(tracker.observe(None, &again, at(20)).is_none(), "another SYN of one that was told");
        assert!(tracker.observe(Some(RecordKind::Settled), &again, at(21)).is_none());
    }
    assert_eq!((tracker.accounted_packets(), tracker.evicted()), (8, 2));
    // One that is answered after all is a conversation.
    let answered = numbered(1, CONNECTED, at(1));
    let answered = Observation { last: at(22).ticks, ..answered };
    let told_before = answered.first;
    let flow = tracker.observe(Some(RecordKind::Rose), &answered, at(22)).unwrap();
    assert_eq!(flow.evidence, Evidence::Established);
    let first = flow.first;
    assert!(first > at(1).unix_nanos + SECOND, "it is told under another id than the attempt that made room");
    // Nor does the next look at its slot take that back.
    let _ = tracker.observe(None, &Observation { first: told_before, ..answered }, at(23));
    assert_eq!(tracker.drain().iter().find(|flow| flow.ends.local.port() == 1).unwrap().first, first);
}

#[test]
fn what_is_over_makes_room_without_a_word() {
    let mut tracker = tracker();
    for port in 1..=4 {
        let _ = begins(&mut tracker, port, TRIED, 1, 0);
        let _ = tracker.observe(Some(RecordKind::Settled), &numbered(port, TRIED, at(1)), at(1));
    }
    assert_eq!(tracker.closed(at(200).unix_nanos).len(), 4);
    assert!(begins(&mut tracker, 5, TRIED, 201, 0).is_none());
    assert_eq!((tracker.len(), tracker.evicted(), tracker.untracked()), (1, 0, 0));
}

#[test]
fn places_of_conversations_that_are_gone_do_not_pile_up() {
    let mut tracker = Tracker::new(TrackerOptions { capacity: 100_000, ..tracker().options });
    for hour in 0..10 {
        for port in 1..=3_000 {
            let _ = begins(&mut tracker, port, TRIED, hour * 3_600, 0);
            let _ =
                tracker.observe(Some(RecordKind::Settled), &numbered(port, TRIED, at(0)), at(hour * 3_600));
        }
        let _ = tracker.closed(at(hour * 3_600 + 1_000).unix_nanos);
        let _ = tracker.closed(at(hour * 3_600 + 2_000).unix_nanos);
    }
    assert!(tracker.room.places() < 5_000, "{}", tracker.room.places());
}
