//! Connections that end, and connections that only seem to end.

use sensor_common::{
    payload::PieceKind,
    slot::{RecordKind, Side, mark},
};
use sensor_dissect::stream::Checksum;

use super::bench::*;
use crate::{level::EvidenceLevel, record::Piece};

const CLOSED: Option<RecordKind> = Some(RecordKind::Closed);

/// A connection with a reset in the second 2, which was closed.
fn reset() -> Bench {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [4, 4], at(1)), at(1));
    bench.entry_mut().link = 7;
    bench.observe(CLOSED, &seen(RESET, [4, 5], at(2)), at(2));
    assert_eq!(bench.advance(at(6)), [Did::Updated, Did::Closed], "settled, then closed");
    assert!(bench.view().closed);
    bench
}

#[test]
fn ended_connection_closes_once_and_a_late_packet_does_not_reopen_it() {
    let mut bench = Bench::new();
    bench.observe(CLOSED, &seen(FINISHED, [4, 4], at(1)), at(1));
    assert_eq!(bench.advance(at(2)), [], "late packets are waited for");
    assert_eq!(bench.advance(at(5)), [Did::Updated, Did::Closed]);
    assert_eq!(bench.swept(&seen(FINISHED, [5, 4], at(6)), at(6)), []);
    assert_eq!(bench.advance(at(7)), []);
    assert_eq!(bench.table.accounted_packets(), 9, "it is counted all the same");
    assert!(bench.drain().is_empty());
}

#[test]
fn packets_in_flight_do_not_undo_a_reset() {
    let mut bench = Bench::new();
    bench.observe(CLOSED, &with_payload([10, 10], seen(RESET, [4, 5], at(2))), at(2));
    bench.swept(&with_payload([10, 90], seen(RESET, [5, 9], at(3))), at(3));
    bench.swept(&with_payload([10, 90], seen(RESET, [5, 10], at(5))), at(5));
    assert_eq!(bench.advance(at(8)), [Did::Updated, Did::Closed]);
}

#[test]
fn forged_reset_ends_no_live_connection() {
    let mut bench = reset();
    // After ten seconds of silence the session continues: SMB of both sides, payload, and messages.
    let spoken = mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE;
    let goes_on = with_marks(spoken, with_payload([200, 300], seen(RESET, [6, 7], at(12))));
    assert_eq!(bench.swept(&goes_on, at(12)), [Did::Updated]);
    assert_eq!((bench.view().closed, bench.view().level), (false, EvidenceLevel::Smb));
    assert_eq!(bench.entry().link, 7);
    assert_eq!(bench.message(Side::Local, 1, &logon("alice", 1), at(13)), [Did::Updated]);
    assert_eq!(bench.message(Side::Remote, 1, &logon_answered(0, 1), at(13)), [Did::Updated]);
    assert_eq!(bench.view().level, EvidenceLevel::Session);
    let facts = bench.view().facts.unwrap();
    assert_eq!(facts.credentials[0].user.as_deref(), Some("alice"));
    assert_eq!(bench.view().counts.packets, [6, 7], "one sum");
    // The ignored reset does not close it any more: it stays open while it is used, and closes when it is idle.
    assert_eq!(bench.advance(at(600)), []);
    assert_eq!(bench.advance(at(13 + 1_801)), [Did::Closed]);
}

#[test]
fn message_reopens_a_connection_closed_by_reset() {
    let mut bench = reset();
    assert_eq!(bench.message(Side::Local, 1, &logon("alice", 1), at(12)), [Did::Updated]);
    assert_eq!((bench.view().closed, bench.view().level), (false, EvidenceLevel::Credential));
}

#[test]
fn packets_of_both_sides_reopen_a_connection_and_one_side_does_not() {
    let mut bench = reset();
    assert_eq!(bench.swept(&seen(RESET, [5, 5], at(9)), at(9)), []);
    assert_eq!(bench.swept(&seen(RESET, [5, 6], at(10)), at(10)), [Did::Updated]);
}

#[test]
fn reset_ignored_on_a_busy_connection_never_closes_it() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [4, 4], at(1)), at(1));
    for second in 2..60 {
        let packets = [4 + second as u64; 2];
        let busy = with_payload(packets, seen(RESET, packets, at(second)));
        bench.swept(&busy, at(second));
        assert!(!bench.advance(at(second)).contains(&Did::Closed));
    }
    assert!(!bench.advance(at(70)).contains(&Did::Closed));
}

#[test]
fn both_fins_end_a_connection_that_ignored_a_reset() {
    let mut bench = reset();
    bench.swept(&with_payload([9, 9], seen(RESET, [6, 7], at(12))), at(12));
    let finished = [RESET[0] | FINISHED[0], RESET[1] | FINISHED[1]];
    bench.swept(&with_payload([9, 9], seen(finished, [8, 8], at(20))), at(20));
    assert_eq!(bench.advance(at(22)), []);
    assert_eq!(bench.advance(at(23)), [Did::Closed]);
}

#[test]
fn closed_connection_keeps_its_reader_and_facts_until_idle() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [4, 4], at(1)), at(1));
    bench.message(Side::Local, 1, &logon("alice", 1), at(1));
    let logon_len = logon("alice", 1).len() as u32;
    bench.observe(CLOSED, &seen(RESET, [4, 5], at(2)), at(2));
    bench.advance(at(6));
    assert!(bench.view().facts.is_some());
    // The next message begins where the last one ended: the stream is joined across the reset.
    let next = logon("bob", 2);
    let (head, rest) = next.split_at(40);
    let piece = |kind, sequence, bytes| {
        let (id, wanted) = (seen(OPEN, [0; 2], at(1)).id, next.len() as u32);
        Piece {
            id,
            side: Side::Local,
            kind,
            sequence,
            wanted,
            at: at(20).ticks,
            bytes,
            checksum: Checksum::Unknown,
        }
    };
    bench.piece(&piece(PieceKind::Message, 1 + logon_len, head), at(20));
    bench.piece(&piece(PieceKind::Continued, 1 + logon_len + 40, rest), at(20));
    assert_eq!(bench.table.readers, 1);
    let users: Vec<_> =
        bench.view().facts.unwrap().credentials.iter().filter_map(|one| one.user.clone()).collect();
    assert_eq!(users, ["alice", "bob"]);
}

#[test]
fn closed_connection_is_freed_after_the_idle_time_and_keeps_its_level() {
    let mut bench = reset();
    bench.message(Side::Local, 1, &logon("alice", 1), at(12));
    bench.message(Side::Remote, 1, &logon_answered(LOGON_FAILURE, 1), at(12));
    bench.advance(at(2_000));
    assert!(bench.view().closed && bench.view().facts.is_some());
    bench.advance(at(4_000));
    assert!(bench.view().facts.is_none());
    assert_eq!((bench.table.readers, bench.view().level), (0, EvidenceLevel::Credential));
    bench.message(Side::Local, 500, &logon("bob", 2), at(5_000));
    bench.message(Side::Remote, 500, &logon_answered(LOGON_FAILURE, 2), at(5_000));
    assert_eq!(bench.view().facts.unwrap().logons_refused, 2, "the counters went on");
}

#[test]
fn slot_taken_long_after_the_end_is_no_new_connection() {
    let mut bench = Bench::new();
    let ended = seen(RESET, [4, 4], at(1));
    bench.observe(CLOSED, &ended, at(1));
    bench.advance(at(5));
    assert_eq!(bench.advance(at(4_000)), []);
    assert_eq!(bench.observe(Some(RecordKind::Settled), &ended, at(4_001)), []);
    assert_eq!(bench.table.accounted_packets(), 8);
    bench.advance(at(4_002));
    assert!(bench.table.entry(&tuple()).is_none(), "nothing holds it any more");
}

#[test]
fn slot_taken_after_the_connection_is_forgotten_is_no_new_one() {
    let mut bench = Bench::new();
    let first = seen(OPEN, [4, 4], at(1));
    bench.opened(&first, at(1));
    let days = 8 * 86_400;
    bench.advance(at(5_000));
    bench.advance(at(5_000 + days));
    assert!(bench.table.entry(&tuple()).is_none());
    assert_eq!(bench.observe(Some(RecordKind::Settled), &first, at(5_000 + days)), []);
    let next = with_generation(4, started(SYN, [1, 0], at(5_000 + days)));
    assert_eq!(bench.opened(&next, at(5_000 + days)), [Did::Updated]);
    assert_eq!((bench.view().level, bench.view().counts.packets), (EvidenceLevel::Attempt, [1, 0]));
    assert_eq!(bench.table.accounted_packets(), 9);
}
