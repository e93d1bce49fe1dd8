use zerocopy::IntoBytes;

use sensor_common::slot::{AddressesHigh, FlowDetails, FlowLine, Place};

use super::*;

fn line() -> FlowLine {
    FlowLine {
        version: RECORD_VERSION,
        kind: RecordKind::Opened as u8,
        transport: TCP,
        family: 4,
        local_low: u32::from_ne_bytes([10, 0, 0, 2]),
        remote_low: u32::from_ne_bytes([8, 8, 4, 4]),
        local_port: 50_000u16.to_be(),
        remote_port: 445u16.to_be(),
        packets: [1, 0],
        ..FlowLine::default()
    }
}

fn v4(line: FlowLine) -> RecordV4 {
    let details = FlowDetails {
        first: 9,
        vlan: VLAN_PRESENT | 7,
        cpu: 3,
        retransmitted: [5, 6],
        content: content_bit(Side::Remote as u8),
        unfollowed: unfollowed::GAP_LEFT,
        ..FlowDetails::default()
    };
    RecordV4 { line, details }
}

#[test]
fn reads_all_fields_of_an_ipv4_record() {
    let Record::Flow(RecordKind::Opened, seen) = record(v4(line()).as_bytes()).unwrap() else { panic!() };
    assert_eq!(seen.id.tuple.local, "10.0.0.2:50000".parse().unwrap());
    assert_eq!(seen.id.tuple.remote, "8.8.4.4:445".parse().unwrap());
    assert_eq!(seen.vlan, Some(7));
    assert_eq!(seen.counts.packets, [1, 0]);
    assert_eq!(seen.counts.retransmitted, [5, 6]);
    assert_eq!((seen.first, seen.cpu), (9, 3));
    assert_eq!(seen.content, Content { left: false, came: true });
    assert_eq!(seen.unfollowed, Unfollowed { gap: true, messages: false });
}

#[test]
fn slot_shows_how_far_a_stream_was_followed_and_a_record_does_not() {
    let place = |next, header_len| Place { next, header_len, ..Place::EMPTY };
    let shown = |kind, flags, place, unfollowed| {
        let line = FlowLine { kind, tcp_flags: [0, flags], next_sequence: [0, 500], ..line() };
        let details = FlowDetails { unfollowed, ..FlowDetails::default() };
        let mut slot = Slot { line, details, ..Slot::default() };
        (slot.stream.initial_sequence[1], slot.stream.place[1]) = (99, place);
        observation(&slot).unwrap().followed.unwrap().sides[1]
    };
    let next = |next, begun| Progress { seen: 500, next, begun, gap: false, first: None, reached: next };
    let (placed, lost) = (bit::PLACED << 1, bit::LOST << 1);
    assert_eq!(shown(placed, 0, place(500, 0), 0), next(Some(500), false));
    assert_eq!(shown(placed, 0, place(500, 3), 0), next(Some(497), true), "three bytes of it were seen");
    let chained = |bytes| place(500, Place::CHAINED | bytes);
    assert_eq!(shown(placed, 0, chained(4), 0), next(Some(500), true), "the compound goes on");
    assert_eq!(shown(placed, 0, chained(6), 0), next(Some(498), true));
    let first = |first, reached| Progress { first: Some(100), reached, ..next(first, false) };
    assert_eq!(shown(0, tcp::SYN, place(7, 3), 0), first(Some(100), None), "of an earlier flow");
    assert_eq!(shown(0, tcp::ACK, place(7, 3), 0), next(None, false));
    assert_eq!(shown(lost, tcp::SYN, place(400, 0), 0), first(None, Some(400)), "something else is spoken");
    let gap = unfollowed::GAP_LEFT;
    let begun = Progress { begun: true, gap: true, ..first(Some(398), Some(398)) };
    assert_eq!(shown(lost, tcp::SYN, place(400, 2), gap), begun, "in the gap");
    let Record::Flow(_, seen) = record(v4(line()).as_bytes()).unwrap() else { panic!() };
    assert_eq!(seen.followed, None);
}

#[test]
fn slot_shows_how_many_bytes_of_messages_were_looked_at() {
    let looked_at = |kind, passed_over| {
        let mut slot = Slot { line: FlowLine { kind, ..line() }, ..Slot::default() };
        slot.stream.place[0] = Place { next: 0x0001_0105, header_len: 5, ..Place::EMPTY };
        slot.stream.place[1] = Place { next: 0x0007_0010, ..Place::EMPTY };
        slot.stream.passed_over = passed_over;
        observation(&slot).unwrap().followed.unwrap().looked_at
    };
    let (placed, lost) = (bit::PLACED, bit::LOST << 1);
    assert_eq!(looked_at(placed, 0xF0), 0x10, "the place of the other side is an earlier flow's");
    assert_eq!(looked_at(placed | lost, 0xF0), 0x20);
    assert_eq!(looked_at(placed | lost, 0xFF00), 0x210, "modulo 2^16");
    assert_eq!(looked_at(0, 0), 0);
}

#[test]
fn reads_the_upper_address_bits_of_an_ipv6_record() {
    let octets: [u8; 16] = "fd00:1::2".parse::<Ipv6Addr>().unwrap().octets();
    let words: [u32; 4] =
        std::array::from_fn(|i| u32::from_ne_bytes(octets[i * 4..i * 4 + 4].try_into().unwrap()));
    let high = AddressesHigh { local: [words[0], words[1], words[2]], remote: [0; 3] };
    let line = FlowLine { family: 6, local_low: words[3], ..line() };
    let wide = RecordV6 { line, details: FlowDetails::default(), high };
    let Record::Flow(_, seen) = record(wide.as_bytes()).unwrap() else { panic!() };
    assert_eq!(seen.id.tuple.local, "[fd00:1::2]:50000".parse().unwrap());
}

#[test]
fn names_the_reason_for_refusing_an_unknown_record() {
    let refuse = |line: FlowLine| record(v4(line).as_bytes()).unwrap_err();
    assert_eq!(record(&[]), Err(DecodeError::Length(0)));
    assert_eq!(record(&v4(line()).as_bytes()[..87]), Err(DecodeError::Length(87)));
    assert_eq!(refuse(FlowLine { kind: RecordKind::Replaced as u8, ..line() }), DecodeError::Length(88));
    assert_eq!(refuse(FlowLine { version: 9, ..line() }), DecodeError::Version(9));
    assert_eq!(refuse(FlowLine { kind: 0, ..line() }), DecodeError::Kind(0));
    assert_eq!(refuse(FlowLine { transport: 1, ..line() }), DecodeError::Transport(1));
    assert_eq!(refuse(FlowLine { family: 6, ..line() }), DecodeError::Family { family: 6, length: 88 });
    let wide = RecordV6 { line: line(), ..RecordV6::default() };
    assert_eq!(record(wide.as_bytes()), Err(DecodeError::Family { family: 4, length: 112 }));
}

#[test]
fn replaced_record_is_two_flows() {
    let both = [
        v4(FlowLine { kind: RecordKind::Replaced as u8, ..line() }),
        v4(FlowLine { local_port: 1u16.to_be(), ..line() }),
    ];
    let Record::Replaced(settled, opened) = record(both.as_bytes()).unwrap() else { panic!() };
    let Record::Flow(RecordKind::Opened, opened) = record(opened).unwrap() else { panic!() };
    assert_eq!((settled.id.tuple.local.port(), opened.id.tuple.local.port()), (50_000, 1));
}

#[test]
fn record_says_when_the_packet_came_that_caused_it() {
    let at = |kind, last| v4(FlowLine { kind: kind as u8, last, ..line() });
    assert_eq!(packet_ticks(at(RecordKind::Rose, 77).as_bytes()), Some(77));
    assert_eq!(
        packet_ticks(at(RecordKind::Settled, 77).as_bytes()),
        None,
        "the flow may have been quiet since"
    );
    let both = [at(RecordKind::Replaced, 5), at(RecordKind::Opened, 88)];
    assert_eq!(packet_ticks(both.as_bytes()), Some(88), "it came with the new flow");
    assert_eq!(packet_ticks(head().as_bytes()), None);
    assert_eq!(packet_ticks(&[RECORD_VERSION, RecordKind::Opened as u8]), None);
}

fn head() -> PieceHead {
    PieceHead {
        version: RECORD_VERSION,
        kind: RecordKind::Payload as u8,
        transport: TCP,
        family: 4,
        local: [0, 0, 0, u32::from_ne_bytes([10, 0, 0, 2])],
        remote: [0, 0, 0, u32::from_ne_bytes([8, 8, 4, 4])],
        remote_port: 445u16.to_be(),
        side: 1,
        piece: PieceKind::Message as u8,
        captured: 3,
        wanted: 100,
        sequence: 7,
        ..PieceHead::default()
    }
}

fn with_bytes(head: PieceHead, bytes: &[u8]) -> Vec<u8> {
    [head.as_bytes(), bytes].concat()
}

#[test]
fn piece_names_its_flow_and_position() {
    let bytes = with_bytes(head(), b"abc");
    let Record::Piece(piece) = record(&bytes).unwrap() else { panic!() };
    assert_eq!(piece.id.tuple.local, "10.0.0.2:0".parse().unwrap());
    assert_eq!((piece.side, piece.kind), (Side::Remote, PieceKind::Message));
    assert_eq!((piece.sequence, piece.wanted, piece.bytes), (7, 100, &b"abc"[..]));
}

#[test]
fn refuses_a_piece_with_false_lengths() {
    let refused = |head: PieceHead, bytes: &[u8]| record(&with_bytes(head, bytes)).is_err();
    assert!(refused(head(), b"ab") && refused(head(), b"abcd") && refused(head(), b""));
    assert!(refused(PieceHead { side: 2, ..head() }, b"abc"));
    assert!(refused(PieceHead { piece: 9, ..head() }, b"abc"));
    assert!(refused(PieceHead { family: 5, ..head() }, b"abc"));
    assert!(refused(PieceHead { transport: 1, ..head() }, b"abc"));
    assert!(record(&with_bytes(head(), b"abc")[..63]).is_err());
}
