//! Pieces of payload: early ones, gaps, and how many readers there are.

use sensor_common::{
    path::MAX_PIECES,
    payload::PieceKind,
    slot::{RecordKind, Side, mark},
};
use sensor_dissect::stream::Checksum;

use super::{super::MAX_READERS, bench::*, stored::restarted};
use crate::{
    level::EvidenceLevel,
    record::{Observation, Piece, Progress, Unfollowed},
    view::OtherProtocol,
};

#[test]
fn piece_before_its_flow_waits_for_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.message(Side::Local, 1, &logon("alice", 1), at(1)), []);
    assert_eq!(bench.opened(&seen(OPEN, [2, 1], at(1)), at(1)), [Did::Updated]);
    assert_eq!((bench.view().level, bench.table.unread()), (EvidenceLevel::Credential, 0));
}

#[test]
fn a_message_dates_the_connection() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [2, 1], at(1)), at(1));
    bench.message(Side::Local, 1, &logon("alice", 1), at(2));
    assert_eq!(bench.view().last, at(2).at);
}

#[test]
fn counts_pieces_without_a_flow_as_unread() {
    let mut bench = Bench::new();
    for _ in 0..300 {
        bench.message(Side::Local, 1, &logon("alice", 1), at(1));
    }
    assert_eq!(bench.table.unread(), 300 - 256);
    bench.advance(at(1));
    assert_eq!(bench.table.unread(), 300 - 256, "they wait for a second");
    bench.advance(at(2));
    assert_eq!(bench.table.unread(), 300);
}

#[test]
fn connection_is_complete_until_a_piece_is_missing() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [2, 1], at(1)), at(1));
    let message = logon(&"a".repeat(400), 1);
    bench.message(Side::Local, 1, &message, at(1));
    assert!(bench.view().complete);
    let id = seen(OPEN, [0; 2], at(1)).id;
    let (kind, sequence, wanted) = (PieceKind::Message, 1 + message.len() as u32, message.len() as u32);
    let head = Piece {
        id,
        side: Side::Local,
        kind,
        sequence,
        wanted,
        at: at(1).ticks,
        bytes: &message[..300],
        checksum: Checksum::Unknown,
    };
    bench.piece(&head, at(1));
    assert!(bench.view().complete, "the rest may come");
    bench.message(Side::Local, sequence + 5_000, &message, at(1));
    assert!(!bench.view().complete, "it never came");
}

#[test]
fn connection_with_unfollowed_messages_is_incomplete() {
    let gap = Unfollowed { gap: true, messages: false };
    let unfollowed = |unfollowed, seen| Observation { unfollowed, ..seen };
    let mut bench = Bench::new();
    bench.opened(&unfollowed(gap, seen(OPEN, [2, 1], at(1))), at(1));
    assert!(bench.view().complete, "the gap may be filled yet");
    bench.swept(&unfollowed(gap, seen(OPEN, [3, 1], at(2))), at(2));
    assert!(!bench.view().complete, "it was not");

    let mut bench = Bench::new();
    bench.opened(&Observation { cpu: 1, ..seen(OPEN, [2, 1], at(1)) }, at(1));
    bench.swept(&unfollowed(gap, seen(OPEN, [3, 1], at(2))), at(2));
    assert!(bench.view().complete, "the other CPU may have seen what is missing");
    let messages = Unfollowed { gap: false, messages: true };
    bench.swept(&unfollowed(messages, seen(OPEN, [4, 1], at(3))), at(3));
    assert!(!bench.view().complete);
}

#[test]
fn connection_with_as_many_pieces_as_the_kernel_hands_up_is_incomplete() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [2, 1], at(1)), at(1));
    let message = logon("alice", 1);
    for number in 0..MAX_PIECES {
        assert!(bench.view().complete, "after {number} pieces");
        bench.message(Side::Local, 1 + number * message.len() as u32, &message, at(1));
    }
    assert!(!bench.view().complete, "there may have been more");
}

/// How far the client's stream was followed: up to which sequence number it was seen, and where the next message begins.
const fn followed(seen: u32, next: Option<u32>) -> Progress {
    Progress { seen, next, begun: false }
}

/// The same where a part of the header of the next message was seen.
const fn begun(seen: u32, next: u32) -> Progress {
    Progress { seen, next: Some(next), begun: true }
}

/// A connection that ended, of which a message was read, and how far each CPU followed the client's stream.
fn ended_on_cpus(of: &[Progress]) -> Bench {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [2, 1], at(1)), at(1));
    bench.message(Side::Local, 1, &logon("alice", 1), at(1));
    for (cpu, client) in (0..).zip(of) {
        let progress = Some([*client, Progress::default()]);
        bench.swept(&Observation { cpu, progress, ..seen(FINISHED, [4, 4], at(2)) }, at(2));
    }
    bench
}

#[test]
fn message_that_passed_between_two_cpus_makes_the_connection_incomplete_at_its_end() {
    let whole = followed(500, Some(500));
    let late = u32::MAX - 99;
    for (name, of, complete) in [
        ("each CPU saw whole messages", [whole, followed(900, Some(900))], true),
        ("one CPU saw a part of the last one", [followed(500, Some(900)), followed(900, None)], true),
        ("a header on one CPU, the rest on the other", [begun(504, 500), followed(900, None)], false),
        ("the same, and a later message", [begun(504, 500), followed(900, Some(900))], false),
        ("a header without a rest", [begun(504, 500), followed(400, Some(400))], true),
        ("header and rest on a CPU that was lost", [whole, followed(900, None)], false),
        ("a SYN on one CPU, all the rest on the other", [followed(1, Some(1)), followed(900, None)], false),
        ("a keep-alive on another CPU", [whole, followed(504, None)], true),
        ("the numbers begin anew", [followed(late, Some(late)), followed(20, None)], false),
    ] {
        let mut bench = ended_on_cpus(&of);
        let level = bench.view().level;
        assert!(bench.view().complete, "{name}: the rest may come");
        assert!(bench.advance(at(6)).contains(&Did::Closed), "{name}");
        assert_eq!((bench.view().complete, bench.view().level), (complete, level), "{name}");
    }
}

#[test]
fn only_slots_that_are_known_as_they_are_show_what_passed_between_cpus() {
    let mut bench = ended_on_cpus(&[begun(900, 500)]);
    bench.advance(at(6));
    assert!(bench.view().complete, "a single CPU says by itself what it missed");

    let mut bench = ended_on_cpus(&[begun(504, 500), followed(900, None)]);
    bench.observe(Some(RecordKind::Closed), &seen(FINISHED, [5, 4], at(2)), at(2));
    bench.advance(at(6));
    assert!(bench.view().complete, "the header went on since the sweep");

    let mut bench = ended_on_cpus(&[begun(504, 500), followed(900, None)]);
    bench.observe(Some(RecordKind::Closed), &seen(FINISHED, [4, 4], at(2)), at(2));
    bench.advance(at(6));
    assert!(!bench.view().complete, "the record is older than the sweep");
}

#[test]
fn first_payload_shows_another_protocol_and_needs_no_reader() {
    let mut bench = Bench::new();
    let opened = started(OPEN, [2, 1], at(1));
    bench.opened(&opened, at(1));
    let first = |bytes| Piece {
        id: opened.id,
        side: Side::Local,
        kind: PieceKind::FirstPayload,
        sequence: 1,
        wanted: 64,
        at: at(1).ticks,
        bytes,
        checksum: Checksum::Unknown,
    };
    assert_eq!(bench.piece(&first(b"SSH-2.0-x"), at(1)), []);
    assert_eq!(bench.view().other_protocol, None);
    assert_eq!(bench.piece(&first(b"GET / HTTP/1.1"), at(1)), [Did::Updated]);
    assert_eq!(bench.view().other_protocol, Some(OtherProtocol::Http));
    assert_eq!(bench.table.readers, 0);
}

#[test]
fn client_hello_names_the_server_also_after_a_restart() {
    // A ClientHello as far as the extension that names the server; the one behind that is cut.
    let named = b"\0\0\0\x10\0\x0E\0\0\x0Babc.example";
    let hello = [&[1, 0, 5, 0, 3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0, 4, 0xD2], named].concat();
    let payload = [&[22, 3, 1, 5, 4][..], &hello, &[0, 51, 4, 0, 1]].concat();
    let first = |side, bytes| Piece {
        id: started(OPEN, [2, 1], at(1)).id,
        side,
        kind: PieceKind::FirstPayload,
        sequence: 1,
        wanted: 2_048,
        at: at(1).ticks,
        bytes,
        checksum: Checksum::Unknown,
    };
    let mut bench = Bench::new();
    bench.opened(&started(OPEN, [2, 1], at(1)), at(1));
    bench.piece(&first(Side::Remote, &payload), at(1));
    assert_eq!(bench.view().tls_server, None, "a server sends no ClientHello");
    assert_eq!(bench.piece(&first(Side::Local, &payload), at(1)), [Did::Updated]);
    let known = |bench: &Bench| (bench.view().tls_server.cloned(), bench.view().other_protocol);
    let tls = (Some("abc.example".into()), Some(OtherProtocol::Tls));
    assert_eq!(known(&bench), tls);
    assert_eq!(known(&restarted(&bench)), tls);
}

#[test]
fn unread_side_that_speaks_smb_is_incomplete() {
    let mut bench = Bench::new();
    bench.opened(&with_marks(mark::SMB_FROM_LOCAL, seen(OPEN, [2, 1], at(1))), at(1));
    assert!(!bench.view().complete);
    bench.message(Side::Local, 1, &logon("alice", 1), at(1));
    assert!(bench.view().complete);
}

#[test]
fn reader_moves_from_a_closed_to_an_open_connection() {
    let mut bench = Bench::new();
    let other = from_port(9, seen(RESET, [4, 5], at(1)));
    bench.opened(&other, at(1));
    let message = logon("bob", 1);
    let kind = PieceKind::Message;
    let (wanted, bytes) = (message.len() as u32, &message[..]);
    let piece = |id| Piece {
        id,
        side: Side::Local,
        kind,
        sequence: 1,
        wanted,
        at: at(1).ticks,
        bytes,
        checksum: Checksum::Unknown,
    };
    bench.piece(&piece(other.id), at(1));
    bench.advance(at(5));
    bench.table.readers = MAX_READERS;

    bench.opened(&started(OPEN, [2, 1], at(6)), at(6));
    bench.message(Side::Local, 1, &message, at(6));
    assert!(bench.view().facts.is_some() && bench.view().complete);
    assert_eq!((bench.table.readers, bench.table.unread()), (MAX_READERS, 0));
    let third = from_port(11, started(OPEN, [2, 1], at(6)));
    bench.opened(&third, at(6));
    bench.piece(&piece(third.id), at(6));
    assert_eq!(bench.table.unread(), 1);
    assert!(!bench.table.entry(&third.id.tuple).unwrap().flow.complete());
}

#[test]
fn rpc_of_both_sides_counts_as_spoken() {
    let mut bench = Bench::new();
    let mut one = seen(OPEN, [4, 4], at(1));
    one.id.tuple.remote.set_port(135);
    bench.opened(&one, at(1));
    let pdu = |kind: u8| {
        let mut pdu = vec![5, 0, kind, 3, 0x10, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0];
        pdu.resize(24, 0);
        pdu
    };
    for (side, kind, level) in
        [(Side::Local, 0, EvidenceLevel::Connected), (Side::Remote, 2, EvidenceLevel::Smb)]
    {
        let bytes = pdu(kind);
        let piece = Piece {
            id: one.id,
            side,
            kind: PieceKind::Rpc,
            sequence: 1,
            wanted: 24,
            at: at(1).ticks,
            bytes: &bytes,
            checksum: Checksum::Unknown,
        };
        bench.piece(&piece, at(1));
        assert_eq!(bench.table.entry(&one.id.tuple).unwrap().flow.level, level, "{side:?}");
    }
}

#[test]
fn connection_with_a_chain_that_cannot_be_followed_is_incomplete() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [2, 1], at(1)), at(1));
    let mut logoff = [&[0, 0, 0, 39], &b"\xFFSMB\x74"[..], &[0; 27], &[2, 0x74, 0, 32, 0, 0, 0]].concat();
    logoff[4 + 32 + 3] = 39;
    bench.message(Side::Local, 1, &logoff, at(1));
    assert!(bench.view().complete, "the chain ends with the message");
    logoff[4 + 32 + 3] = 32;
    bench.message(Side::Local, 44, &logoff, at(1));
    assert!(!bench.view().complete, "it goes back");
}

#[test]
fn request_with_the_flag_of_a_response_is_the_clients() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [2, 1], at(1)), at(1));
    let mut request = logon("alice", 1);
    request[4 + 16] |= 1;
    bench.message(Side::Local, 1, &request, at(1));
    assert_eq!(bench.view().level, EvidenceLevel::Credential);
}

#[test]
fn client_cannot_accept_its_own_log_on() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [2, 1], at(1)), at(1));
    let request = logon("alice", 1);
    bench.message(Side::Local, 1, &request, at(1));
    // A SESSION_SETUP response with the status of success (MS-SMB2 2.2.6), sent by the client.
    let mut answer = [&[0, 0, 0, 72], &b"\xFESMB\x40\0"[..], &[0; 58], &[9, 0, 0, 0, 72, 0, 0, 0]].concat();
    (answer[4 + 12], answer[4 + 16], answer[4 + 24]) = (1, 1, 1);
    bench.message(Side::Local, 1 + request.len() as u32, &answer, at(2));
    assert_eq!(bench.view().level, EvidenceLevel::Credential);
    bench.message(Side::Remote, 1, &answer, at(2));
    assert_eq!(bench.view().level, EvidenceLevel::Session, "the server can");
}
