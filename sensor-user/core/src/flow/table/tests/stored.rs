//! Connections over a restart.

use sensor_common::slot::{RecordKind, Side, mark, tcp};

use super::{super::StoredFlow, bench::*};
use crate::{level::EvidenceLevel, record::Observation};

/// A table that continues another.
pub(super) fn restarted(bench: &Bench) -> Bench {
    let stored: Vec<_> = bench.table.store(|_| true).collect();
    let text = serde_json::to_string(&stored).unwrap();
    let mut next = Bench::new();
    next.table.restore(serde_json::from_str(&text).unwrap());
    next
}

fn session() -> Bench {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [4, 4], at(1)), at(1));
    bench.entry_mut().link = 7;
    bench.message(Side::Local, 1, &logon("alice", 1), at(1));
    bench.message(Side::Remote, 1, &logon_answered(LOGON_FAILURE, 1), at(1));
    bench.advance(at(5));
    bench
}

#[test]
fn connection_keeps_link_level_roles_and_sums_over_a_restart() {
    let mut bench = restarted(&session());
    let view = bench.view();
    assert_eq!((bench.entry().link, view.level, view.roles_known), (7, EvidenceLevel::Credential, true));
    assert_eq!((view.counts.packets, view.joined_late, view.complete), ([4, 4], false, false));
    assert_eq!(view.facts.unwrap().logons_refused, 1);
    assert!(view.facts.unwrap().credentials.is_empty(), "who it was is not stored with it");
    // The pinned program continued to count in the same slot.
    bench.swept(&seen(OPEN, [9, 8], at(60)), at(60));
    assert_eq!((bench.view().counts.packets, bench.table.accounted_packets()), ([9, 8], 9));
    assert_eq!(bench.advance(at(61)), [], "it is settled since long");
    bench.message(Side::Remote, 900, &logon_answered(0, 9), at(62));
    assert_eq!(bench.view().level, EvidenceLevel::Session);
}

#[test]
fn stored_roles_never_change() {
    // Its beginning was not seen: its messages showed the roles, and they are not stored.
    let mut bench = Bench::new();
    bench.opened(&Observation { marks: 0, ..seen(OPEN, [4, 4], at(1)) }, at(1));
    bench.message(Side::Local, 1, &smb2(5, None, 1, &[]), at(1));
    assert!(bench.view().roles_known);
    let mut bench = restarted(&bench);
    bench.swept(&Observation { marks: 0, ..seen(OPEN, [5, 5], at(60)) }, at(60));
    assert_eq!((bench.entry().flow.client(), bench.view().roles_known), (Side::Local, true));
    bench.message(Side::Remote, 900, &smb2(5, None, 1, &[]), at(60));
    assert_eq!((bench.entry().flow.client(), bench.view().roles_known), (Side::Local, true));
}

#[test]
fn closed_connection_continues_after_a_restart() {
    let mut bench = session();
    bench.advance(at(4_000));
    let mut bench = restarted(&bench);
    assert!(bench.view().closed);
    assert_eq!(bench.swept(&seen(OPEN, [5, 5], at(7_000)), at(7_000)), [Did::Updated]);
    assert_eq!((bench.view().closed, bench.entry().link), (false, 7));
}

#[test]
fn slots_count_from_zero_after_a_reboot() {
    let stored: Vec<_> = session().table.store(|_| true).map(StoredFlow::without_slots).collect();
    assert_eq!(*stored[0].link(), 7);
    let mut bench = Bench::new();
    bench.table.restore(stored);
    let anew = Observation { marks: mark::FIRST_FROM_LOCAL, ..seen(OPEN, [1, 1], at(60)) };
    bench.swept(&anew, at(60));
    assert_eq!(bench.view().counts.packets, [5, 5], "of a slot with the same number");
}

#[test]
fn each_connection_that_changed_is_taken_once() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [4, 4], at(1)), at(1));
    assert_eq!(bench.table.changed(), 0, "nobody follows");
    bench.table.follow_changes();
    bench.swept(&seen(OPEN, [5, 5], at(2)), at(2));
    let changed = bench.table.take_changed();
    assert!(matches!(&changed[..], [(tuple, Some(flow))] if flow.tuple() == *tuple));
    assert_eq!(bench.table.changed(), 0);
    bench.message(Side::Local, 1, &logon("alice", 1), at(3));
    assert_eq!(bench.table.changed(), 1);
    bench.table.forget_changed();
    let mut changes = Vec::new();
    bench.table.drain(&mut changes);
    assert!(matches!(&bench.table.take_changed()[..], [(_, None)]), "it left the table");
}

#[test]
fn swept_slot_that_is_known_is_no_change() {
    let mut bench = session();
    let known = with_marks(mark::SMB_FROM_LOCAL, seen(OPEN, [9, 9], at(2)));
    bench.swept(&known, at(2));
    let mut bench = restarted(&bench);
    bench.table.follow_changes();
    bench.swept(&known, at(3));
    assert_eq!(bench.table.changed(), 0);
    let flagged = Observation { tcp_flags: [tcp::FIN, 0], ..known };
    for news in [with_marks(mark::SMB_FROM_LOCAL | mark::THREAT, known), flagged, seen(OPEN, [10, 9], at(3))]
    {
        bench.swept(&news, at(3));
        assert_eq!(bench.table.changed(), 1, "{news:?}");
        bench.table.forget_changed();
    }
    bench.table.set_lost_records(1);
    bench.swept(&seen(OPEN, [10, 9], at(3)), at(4));
    assert_eq!(bench.table.changed(), 1, "it may have lost something");
}

#[test]
fn other_slots_count_from_zero_beside_what_the_old_ones_counted() {
    let mut bench = session();
    bench.table.follow_changes();
    bench.table.begin_slots();
    assert_eq!((bench.table.changed(), bench.table.accounted_packets()), (1, 0));
    let anew = Observation { marks: mark::FIRST_FROM_LOCAL, ..seen(OPEN, [1, 1], at(60)) };
    bench.swept(&anew, at(60));
    assert_eq!(bench.view().counts.packets, [5, 5], "of a slot with the same number");
    assert_eq!(bench.table.accounted_packets(), 2);
}

#[test]
fn unsettled_attempt_is_settled_after_a_restart() {
    let mut bench = Bench::new();
    bench.opened(&started(SYN, [1, 0], at(1)), at(1));
    let mut bench = restarted(&bench);
    assert_eq!(bench.advance(at(60)), [Did::Updated]);
    assert!(bench.view().settled);
}

#[test]
fn full_table_counts_connections_it_cannot_restore() {
    let mut many = Bench::with_capacity(10);
    for port in 1..=10 {
        many.observe(Some(RecordKind::Opened), &from_port(port, seen(OPEN, [2, 1], at(1))), at(1));
    }
    let bench = restarted(&many);
    assert_eq!((bench.table.len(), bench.table.untracked()), (4, 6));
}
