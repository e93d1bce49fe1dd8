//! Pieces of payload: early ones, gaps, and how many readers there are.

use sensor_common::{
    flow::SETTLE_AT,
    path::MAX_PIECES,
    payload::PieceKind,
    slot::{RecordKind, Side, mark},
};
use sensor_dissect::stream::Checksum;

use super::{super::MAX_READERS, bench::*, stored::restarted};
use crate::{
    level::EvidenceLevel,
    record::{Observation, Piece, Progress, StreamProgress, Unfollowed},
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

/// How far a CPU followed the client's stream: it saw it up to one sequence number, and followed its messages up to another one;
/// those that it looked at have so many bytes.
const fn followed(seen: u32, reached: Option<u32>, looked_at: u16) -> StreamProgress {
    let client = Progress { seen, next: reached, begun: false, gap: false, first: None, reached };
    let server = Progress { seen: 0, next: None, begun: false, gap: false, first: None, reached: None };
    StreamProgress { sides: [client, server], looked_at }
}

/// The same where a part of the header of the next message was seen.
const fn begun(mut followed: StreamProgress) -> StreamProgress {
    followed.sides[0].begun = true;
    followed
}

/// The same on the CPU that saw the SYN before the first byte.
const fn from(first: u32, mut followed: StreamProgress) -> StreamProgress {
    let client = &mut followed.sides[0];
    client.first = Some(first);
    if client.reached.is_none() {
        client.next = client.first;
    }
    followed
}

/// A connection that ended, of which a message was read, and how far each CPU followed the client's stream.
fn ended_on_cpus(of: &[StreamProgress]) -> Bench {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [2, 1], at(1)), at(1));
    bench.message(Side::Local, 1, &logon("alice", 1), at(1));
    for (cpu, followed) in (0..).zip(of) {
        let payload = [u64::from(followed.sides[0].seen.min(1_000)), 0];
        let slot = with_payload(payload, seen(FINISHED, [4, 4], at(2)));
        bench.swept(&Observation { cpu, followed: Some(*followed), ..slot }, at(2));
    }
    bench
}

#[test]
fn message_that_passed_between_two_cpus_makes_the_connection_incomplete_at_its_end() {
    let whole = from(1, followed(500, Some(500), 499));
    let half = from(1, begun(followed(504, Some(500), 499)));
    let late = u32::MAX - 99;
    for (name, of, complete) in [
        ("each CPU saw whole messages", [whole, followed(900, Some(900), 400)], true),
        (
            "one CPU saw a part of the last one",
            [from(1, followed(500, Some(900), 899)), followed(900, None, 0)],
            true,
        ),
        ("a header on one CPU, the rest on the other", [half, followed(900, None, 0)], false),
        ("the same, and a later message", [half, followed(900, Some(900), 200)], false),
        (
            "a header without a rest",
            [from(1, begun(followed(504, Some(500), 100))), followed(400, Some(400), 399)],
            true,
        ),
        ("header and rest on a CPU that was lost", [whole, followed(900, None, 0)], false),
        (
            "a SYN on one CPU, all the rest on the other",
            [from(1, followed(1, None, 0)), followed(900, None, 0)],
            false,
        ),
        ("a keep-alive on another CPU", [whole, followed(504, None, 0)], true),
        ("the numbers begin anew", [from(1, followed(late, Some(late), 0)), followed(20, None, 0)], false),
        (
            "the numbers go on from the beginning",
            [from(late, followed(20, Some(20), 20)), followed(0, Some(0), 100)],
            true,
        ),
        ("a message in the middle was missed", [whole, followed(1_500, Some(1_500), 600)], false),
        (
            "a message was missed in which the same CPU got lost",
            [whole, followed(900, Some(800), 260)],
            false,
        ),
        ("a message was looked at twice", [whole, followed(900, Some(900), 600)], false),
        ("a whole stream was missed", [from(1, followed(1, None, 0)), followed(30, None, 0)], true),
        ("the beginning is not known", [followed(500, Some(500), 499), followed(900, Some(900), 400)], false),
        ("two beginnings", [whole, from(2, followed(900, Some(900), 400))], false),
    ] {
        let mut bench = ended_on_cpus(&of);
        let level = bench.view().level;
        assert!(bench.view().complete, "{name}: the rest may come");
        assert!(bench.advance(at(6)).contains(&Did::Closed), "{name}");
        assert_eq!((bench.view().complete, bench.view().level), (complete, level), "{name}");
    }
}

/// The same with both CPUs, of which the second one lost its slot with this payload and these bytes of packets.
fn complete_without_a_slot(payload: u64, bytes: u64) -> bool {
    let of = [from(1, followed(500, Some(500), 499)), followed(900, Some(900), 400)];
    let mut bench = ended_on_cpus(&of);
    let mut settled = with_payload([payload, 0], seen(FINISHED, [5, 4], at(2)));
    settled.counts.bytes[0] = bytes;
    bench.observe(Some(RecordKind::Settled), &Observation { cpu: 1, ..settled }, at(2));
    if bytes >= u64::from(SETTLE_AT) {
        let rest = with_payload([0; 2], seen(FINISHED, [0; 2], at(2)));
        bench.swept(&Observation { cpu: 1, generation: 2, followed: Some(of[1]), ..rest }, at(2));
    }
    bench.advance(at(6));
    bench.view().complete
}

#[test]
fn spread_connection_whose_slot_is_gone_is_not_known_to_be_complete() {
    assert!(!complete_without_a_slot(400, 1_000));
    assert!(
        complete_without_a_slot(400, u64::from(SETTLE_AT)),
        "counts that were full were taken out, and the slot goes on"
    );
    assert!(!complete_without_a_slot(400, u64::from(SETTLE_AT) - 1));
}

#[test]
fn slot_that_is_gone_without_payload_hides_no_message() {
    let mut bench = ended_on_cpus(&[from(1, followed(500, Some(500), 499)), followed(900, Some(900), 400)]);
    let acknowledged = Observation { cpu: 2, ..seen(FINISHED, [1, 1], at(2)) };
    bench.opened(&acknowledged, at(2));
    bench.observe(Some(RecordKind::Settled), &acknowledged, at(2));
    bench.advance(at(6));
    assert!(bench.view().complete);
}

#[test]
fn directions_on_a_cpu_each_are_followed_by_that_cpu() {
    let mut bench = Bench::new();
    bench.opened(&seen(OPEN, [2, 0], at(1)), at(1));
    bench.message(Side::Local, 1, &logon("alice", 1), at(1));
    for (cpu, packets) in [(0, [4, 0]), (1, [0, 4])] {
        let slot = with_payload(packets.map(|n| n * 100), seen(FINISHED, packets, at(2)));
        // The one joined late, so its beginning is not known.
        let side = Progress {
            seen: 900,
            next: Some(900),
            begun: false,
            gap: false,
            first: None,
            reached: Some(900),
        };
        let followed = Some(StreamProgress { sides: [side; 2], looked_at: 7 });
        bench.swept(&Observation { cpu, followed, ..slot }, at(2));
    }
    assert!(bench.advance(at(6)).contains(&Did::Closed));
    assert!(bench.view().complete);
}

#[test]
fn sweep_shows_how_far_a_slot_was_followed_whose_counts_a_record_had() {
    let mut bench = Bench::new();
    let slot = with_payload([499, 0], seen(FINISHED, [4, 4], at(2)));
    let other = Observation { cpu: 1, ..with_payload([400, 0], seen(FINISHED, [4, 4], at(2))) };
    bench.opened(&slot, at(1));
    bench.opened(&other, at(1));
    bench.message(Side::Local, 1, &logon("alice", 1), at(1));
    let whole = Some(from(1, followed(500, Some(500), 499)));
    bench.swept(&Observation { followed: whole, ..slot }, at(2));
    bench.swept(&Observation { followed: Some(followed(900, Some(900), 400)), ..other }, at(2));
    bench.advance(at(6));
    assert!(bench.view().complete);
}

#[test]
fn only_slots_that_are_known_as_they_are_show_what_passed_between_cpus() {
    let mut bench = ended_on_cpus(&[begun(followed(900, Some(500), 0))]);
    bench.advance(at(6));
    assert!(bench.view().complete, "a single CPU says by itself what it missed");

    let mut bench = ended_on_cpus(&[from(1, begun(followed(504, Some(500), 499))), followed(900, None, 0)]);
    bench.observe(Some(RecordKind::Closed), &seen(FINISHED, [5, 4], at(2)), at(2));
    bench.advance(at(6));
    assert!(!bench.view().complete, "the header went on since the sweep, or did not");

    let mut bench = ended_on_cpus(&[from(1, begun(followed(504, Some(500), 499))), followed(900, None, 0)]);
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
