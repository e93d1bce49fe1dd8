//! Evidence levels of connections, by observations and messages.

use sensor_common::{
    payload::PieceKind,
    slot::{Side, mark},
};
use sensor_dissect::stream::Checksum;

use super::{bench::*, stored::restarted};
use crate::{
    level::EvidenceLevel,
    record::{Content, Observation, Piece},
    service::ServicePorts,
};

const SPOKEN: u16 = mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE;

/// A session of alice.
fn session() -> Bench {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [4, 4], at(1)), at(1));
    bench.message(Side::Local, 1, &smb2(NEGOTIATE, None, 0, &[36, 0, 0, 0]), at(1));
    bench.message(Side::Remote, 1, &smb2(NEGOTIATE, Some(0xC000_00BB), 0, &[]), at(1));
    bench.message(Side::Local, 500, &logon("alice", 1), at(1));
    bench
}

#[test]
fn smb_of_the_client_alone_stays_connected() {
    let mut bench = Bench::new();
    bench.opened(&with_marks(mark::SMB_FROM_LOCAL, seen(OPEN, [4, 4], at(1))), at(1));
    bench.message(Side::Local, 1, &smb2(NEGOTIATE, None, 0, &[36, 0, 0, 0]), at(1));
    assert_eq!((bench.view().level, bench.view().smb_spoken), (EvidenceLevel::Connected, true));
    bench.message(Side::Remote, 1, &smb2(NEGOTIATE, Some(0xC000_00BB), 0, &[]), at(1));
    assert_eq!(bench.view().level, EvidenceLevel::Smb);
}

#[test]
fn refused_logon_is_a_credential_and_never_data() {
    let mut bench = session();
    bench.message(Side::Remote, 500, &logon_answered(LOGON_FAILURE, 1), at(2));
    bench.table.set_lost_records(9);
    bench.swept(&with_marks(SPOKEN, with_payload([1 << 20; 2], seen(OPEN, [900, 900], at(3)))), at(3));
    assert_eq!((bench.view().level, bench.view().complete), (EvidenceLevel::Credential, false));
}

#[test]
fn session_becomes_data_by_commands_and_not_by_bytes() {
    let mut bench = session();
    bench.message(Side::Remote, 500, &logon_answered(0, 1), at(2));
    assert_eq!(bench.view().level, EvidenceLevel::Session);
    bench.message(
        Side::Remote,
        700,
        &smb2(3, Some(0), 2, &[16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        at(2),
    );
    assert_eq!(bench.view().level, EvidenceLevel::Share);
    let echoes = with_marks(SPOKEN, with_payload([1 << 20; 2], seen(OPEN, [900, 900], at(3))));
    bench.swept(&echoes, at(3));
    assert_eq!((bench.view().level, bench.view().complete), (EvidenceLevel::Share, true));
    let written = Observation { content: Content { left: true, came: false }, ..echoes };
    let read = Observation { content: Content { left: false, came: true }, ..echoes };
    assert_eq!(bench.swept(&written, at(4)), [Did::Updated]);
    let view = bench.view();
    assert_eq!((view.level, view.content.left, view.content.came), (EvidenceLevel::Data, true, false));
    assert_eq!(bench.swept(&read, at(5)), [Did::Updated], "the other way too");
    assert!(bench.view().content.left && bench.view().content.came);
}

#[test]
fn encrypted_session_becomes_data_by_volume() {
    let encrypted = |payload| {
        let marks = SPOKEN | mark::ENCRYPTED;
        with_marks(marks, with_payload([payload, 500], seen(OPEN, [90, 90], at(3))))
    };
    let mut bench = session();
    bench.swept(&encrypted(30_000), at(3));
    assert_eq!((bench.view().level, bench.view().encrypted), (EvidenceLevel::Session, true));
    bench.swept(&encrypted(70_000), at(3));
    assert_eq!(bench.view().level, EvidenceLevel::Data);
}

#[test]
fn session_seen_from_the_middle_becomes_data_by_volume() {
    let middle = |payload| {
        let marks = SPOKEN | mark::FIRST_FROM_LOCAL;
        Observation { marks, ..with_payload([payload, 500], seen(OPEN, [90, 90], at(3))) }
    };
    let mut bench = Bench::new();
    bench.swept(&middle(30_000), at(3));
    assert_eq!((bench.view().level, bench.view().joined_late), (EvidenceLevel::Smb, true));
    bench.swept(&middle(70_000), at(3));
    assert_eq!(bench.view().level, EvidenceLevel::Data);
}

#[test]
fn session_with_lost_records_becomes_data_by_volume() {
    let mut bench = session();
    bench.message(Side::Remote, 500, &logon_answered(0, 1), at(2));
    let much = with_marks(SPOKEN, with_payload([70_000, 500], seen(OPEN, [90, 90], at(3))));
    bench.swept(&much, at(3));
    assert_eq!(bench.view().level, EvidenceLevel::Session);
    bench.table.set_lost_records(1);
    bench.swept(&much, at(4));
    assert_eq!((bench.view().level, bench.view().complete), (EvidenceLevel::Data, false));
}

#[test]
fn unwatched_port_has_a_view_once_both_sides_speak_smb() {
    let mut bench = Bench::new();
    let mut one = seen(OPEN, [4, 4], at(1));
    one.id.tuple.remote.set_port(4_445);
    bench.opened(&one, at(1));
    let view = |bench: &Bench| {
        let entry = bench.table.entry(&one.id.tuple).unwrap();
        entry.view(&ServicePorts::default()).map(|view| view.usual_port)
    };
    assert_eq!(view(&bench), None);
    // A web page that holds a message is sent by one side.
    bench.swept(&with_marks(mark::SMB_FROM_REMOTE | mark::SERVER_IS_REMOTE, one), at(2));
    assert_eq!(view(&bench), None);
    bench.swept(&with_marks(SPOKEN | mark::SERVER_IS_REMOTE, one), at(2));
    assert_eq!(view(&bench), Some(false));
}

#[test]
fn unwatched_port_has_no_view_by_requests_of_both_sides() {
    const EITHER: u16 = mark::SERVER_IS_LOCAL | mark::SERVER_IS_REMOTE;
    let mut one = seen(OPEN, [4, 4], at(1));
    one.id.tuple.remote.set_port(4_445);
    let has_view =
        |bench: &Bench| bench.table.entry(&one.id.tuple).unwrap().view(&ServicePorts::default()).is_some();
    let contradicting = |marks: u16| {
        let mut bench = Bench::new();
        bench.opened(&with_marks(mark::SMB_FROM_LOCAL | mark::SERVER_IS_REMOTE, one), at(1));
        bench.swept(&with_marks(SPOKEN | EITHER | marks, one), at(2));
        bench
    };
    let read = |bench: &mut Bench, side: Side, bytes: &[u8]| {
        let (kind, wanted, checksum) = (PieceKind::Message, bytes.len() as u32, Checksum::Unknown);
        let (id, at_ticks) = (one.id, at(3).ticks);
        bench.piece(&Piece { id, side, kind, sequence: 1, wanted, at: at_ticks, bytes, checksum }, at(3));
    };
    let (request, response) = (smb2(NEGOTIATE, None, 0, &[36, 0, 0, 0]), smb2(NEGOTIATE, Some(0), 0, &[]));

    let mut bench = contradicting(0);
    assert!(!has_view(&bench));
    read(&mut bench, Side::Local, &request);
    assert!(!has_view(&bench));
    read(&mut bench, Side::Remote, &response);
    assert!(has_view(&bench), "the answer was read");

    let mut bench = contradicting(0);
    read(&mut bench, Side::Local, &request);
    read(&mut bench, Side::Remote, &request);
    assert!(!has_view(&bench), "both ask");

    assert!(has_view(&contradicting(mark::ENCRYPTED)), "encrypted messages hide what they are");

    let mut bench = Bench::new();
    bench.opened(&with_marks(SPOKEN | mark::SERVER_IS_REMOTE, one), at(1));
    bench.swept(&with_marks(SPOKEN | EITHER, one), at(2));
    assert!(has_view(&bench), "the server of SMB 1 asks too, when an oplock is to be given up");
    assert!(has_view(&restarted(&bench)));
}

#[test]
fn one_direction_alone_is_shown_as_one_sided() {
    let mut bench = Bench::new();
    bench.opened(&with_payload([90, 0], seen([OPEN[0], 0], [4, 0], at(1))), at(1));
    assert_eq!((bench.view().level, bench.view().one_sided), (EvidenceLevel::Connected, true));
    bench.swept(&with_payload([90, 9], seen(OPEN, [4, 1], at(1))), at(1));
    assert!(!bench.view().one_sided);
}
