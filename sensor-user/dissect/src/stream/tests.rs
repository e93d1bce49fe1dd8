use super::*;

/// A message of `length` bytes after its NetBIOS header, filled with `fill`.
fn message(length: usize, fill: u8) -> Vec<u8> {
    let mut bytes = (length as u32).to_be_bytes().to_vec();
    bytes.extend(b"\xFESMB");
    bytes.resize(4 + length, fill);
    bytes
}

fn piece(sequence: u32, bytes: &[u8]) -> Piece<'_> {
    Piece {
        sequence,
        bytes,
        missing: 0,
        starts_message: false,
        last: false,
        chained: 0,
        checksum: Checksum::Unknown,
    }
}

fn start(sequence: u32, bytes: &[u8]) -> Piece<'_> {
    Piece { starts_message: true, ..piece(sequence, bytes) }
}

fn whole(messages: &[Joined]) -> Vec<(usize, usize)> {
    messages.iter().map(|message| (message.bytes.len(), message.missing)).collect()
}

#[test]
fn joins_a_split_message_in_any_order_across_the_sequence_wrap() {
    let bytes = message(100, 7);
    let first = 0u32.wrapping_sub(30);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        let mut stream = Stream::new(Framing::NetBios);
        let mut given = Vec::new();
        for part in order {
            let range = part * 35..((part + 1) * 35).min(bytes.len());
            let sequence = first.wrapping_add(range.start as u32);
            let starts_message = part == 0;
            given.extend(stream.piece(Piece { starts_message, ..piece(sequence, &bytes[range]) }));
        }
        assert_eq!(given, [Joined { bytes: bytes.clone(), missing: 0 }], "{order:?}");
        assert_eq!(stream.held(), 0);
    }
}

#[test]
fn separates_messages_in_one_piece_and_ignores_repeats() {
    let bytes = [message(60, 1), message(70, 2), message(80, 3)[..20].to_vec()].concat();
    let mut stream = Stream::new(Framing::NetBios);
    assert_eq!(whole(&stream.piece(start(5, &bytes))), [(64, 0), (74, 0)]);
    assert!(stream.piece(start(5, &bytes)).is_empty());
    assert_eq!(whole(&stream.piece(piece(5 + 64 + 74 + 10, &message(80, 3)[10..]))), [(84, 0)]);
}

#[test]
fn gives_up_a_gap_when_a_later_message_starts() {
    let (first, second) = (message(100, 1), message(50, 2));
    let mut stream = Stream::new(Framing::NetBios);
    assert!(stream.piece(start(0, &first[..40])).is_empty());
    assert_eq!(whole(&stream.piece(start(5000, &second))), [(40, 64), (54, 0)]);
}

#[test]
fn counts_a_gap_unless_after_a_head_skipped_on_purpose() {
    let (first, second) = (message(1_000, 1), message(50, 2));
    for (captured, gaps) in [(MAX_UNDECIDED, 0), (MAX_UNDECIDED + 1, 1)] {
        let mut stream = Stream::new(Framing::NetBios);
        stream.piece(start(0, &first[..captured]));
        assert_eq!(stream.gaps(), 0, "the rest may come");
        stream.piece(start(5000, &second));
        assert_eq!(stream.gaps(), gaps, "{captured}");
    }
}

#[test]
fn gives_the_head_of_a_long_message_at_once_and_skips_the_rest() {
    let long = message(MAX_BUFFERED * 3, 1);
    let mut stream = Stream::new(Framing::NetBios);
    let mut given = Vec::new();
    for (index, bytes) in long.chunks(1460).enumerate() {
        // What looks like a start within a message is its content.
        given.extend(stream.piece(start(index as u32 * 1460, bytes)));
        assert!(stream.held() <= MAX_BUFFERED);
    }
    assert_eq!((given.len(), given[0].bytes.len() + given[0].missing), (1, long.len()));
    assert_eq!(whole(&stream.piece(piece(long.len() as u32, &message(50, 2)))), [(54, 0)]);
}

#[test]
fn partly_captured_segment_gives_the_head_and_continues_after_it() {
    let bytes = message(4000, 1);
    let mut stream = Stream::new(Framing::NetBios);
    let cut = Piece { missing: 1000, ..start(0, &bytes[..2000]) };
    assert_eq!(whole(&stream.piece(cut)), [(2000, 2004)]);
    assert!(stream.piece(piece(3000, &bytes[3000..])).is_empty());
    assert_eq!(whole(&stream.piece(piece(4004, &message(50, 2)))), [(54, 0)]);
}

#[test]
fn bounds_bytes_that_never_join() {
    let mut stream = Stream::new(Framing::NetBios);
    for index in 0..10_000u32 {
        stream.piece(piece(index * 3000, &[index as u8; 1000]));
        assert!(stream.held() <= MAX_BUFFERED);
    }
    assert!(stream.gaps() > 9_900, "{}", stream.gaps());
}

#[test]
fn does_not_wait_for_other_bytes() {
    let mut stream = Stream::new(Framing::NetBios);
    assert!(stream.piece(start(0, b"\0\xFF\xFF\xFFnot SMB at all")).is_empty());
    assert_eq!(stream.held(), 0);
    assert_eq!(whole(&stream.piece(start(100, &message(50, 2)))), [(54, 0)]);
}

#[test]
fn joins_dce_rpc_pdus_by_their_length() {
    let mut pdu = vec![5, 0, 11, 3, 0x10, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0];
    pdu.resize(40, 0);
    let mut stream = Stream::new(Framing::DceRpc);
    assert!(stream.piece(start(0, &pdu[..10])).is_empty());
    assert_eq!(whole(&stream.piece(piece(10, &pdu[10..]))), [(40, 0)]);
}

#[test]
fn waiting_pieces_and_a_growing_message_share_the_bound() {
    let bytes = message(MAX_BUFFERED * 2, 1);
    let mut stream = Stream::new(Framing::NetBios);
    stream.piece(start(0, &bytes[..100]));
    for index in 0..14u32 {
        stream.piece(piece(15_000 + index * 1100, &[9; 1000]));
    }
    for at in (100..14_000).step_by(1000) {
        stream.piece(piece(at as u32, &bytes[at..at + 1000]));
        assert!(stream.held() <= MAX_BUFFERED, "{}", stream.held());
    }
}

#[test]
fn gives_the_rest_of_an_unfinished_message() {
    let bytes = message(300, 1);
    let mut stream = Stream::new(Framing::NetBios);
    assert_eq!(whole(&stream.piece(Piece { last: true, ..start(0, &bytes[..148]) })), [(148, 156)]);
    // The next one, whatever lies between.
    assert_eq!(whole(&stream.piece(start(304, &message(50, 2)))), [(54, 0)]);
    assert!(stream.piece(start(9000, &bytes[..100])).is_empty());
    assert_eq!(whole(&stream.piece(Piece { last: true, ..piece(9100, &bytes[100..148]) })), [(148, 156)]);
    // One that is whole is given once.
    assert_eq!(whole(&stream.piece(Piece { last: true, ..start(20_000, &bytes) })), [(304, 0)]);
    assert!(stream.finish().is_empty());
}

#[test]
fn gives_both_readings_of_a_message_and_counts_the_conflict() {
    let (first, second) = (message(100, 1), message(100, 2));
    let mut stream = Stream::new(Framing::NetBios);
    assert_eq!(whole(&stream.piece(start(1, &first))), [(104, 0)]);
    assert!(stream.piece(start(1, &first)).is_empty(), "the same again");
    assert_eq!(stream.conflicts(), 0);
    let again = stream.piece(start(1, &second));
    assert_eq!((again[0].bytes.as_slice(), stream.conflicts()), (second.as_slice(), 1));
    let next = stream.piece(start(105, &first));
    assert_eq!(whole(&next), [(104, 0)], "the stream goes on");
}

#[test]
fn overlap_with_other_bytes_is_a_conflict_and_a_keep_alive_is_none() {
    let bytes = message(100, 1);
    let mut stream = Stream::new(Framing::NetBios);
    stream.piece(start(1, &bytes[..60]));
    stream.piece(piece(60, &[9]));
    stream.piece(piece(41, &bytes[40..70]));
    assert_eq!(stream.conflicts(), 0);
    stream.piece(piece(61, &[9; 20]));
    assert_eq!(stream.conflicts(), 1);
}

#[test]
fn second_readings_are_bounded() {
    let mut stream = Stream::new(Framing::NetBios);
    stream.piece(start(1, &message(100, 0)));
    let given = (1..=100).map(|fill| stream.piece(start(1, &message(100, fill))).len()).sum::<usize>();
    assert_eq!((given as u64, stream.conflicts()), (MAX_SECOND_READINGS, 100));
}

#[test]
fn gives_the_other_reading_of_a_message_that_comes_again_in_parts() {
    let (first, second) = (message(100, 1), message(100, 2));
    let mut stream = Stream::new(Framing::NetBios);
    stream.piece(start(1, &first));
    assert!(stream.piece(start(1, &second[..50])).is_empty());
    let other = stream.piece(piece(51, &second[50..]));
    assert_eq!((other[0].bytes.as_slice(), stream.conflicts()), (second.as_slice(), 2));
    assert_eq!(whole(&stream.piece(start(105, &first))), [(104, 0)], "it is given once");
}

#[test]
fn gives_a_reading_that_differs_in_part_before_the_next_message() {
    let first = message(100, 1);
    let mut stream = Stream::new(Framing::NetBios);
    stream.piece(start(1, &first));
    assert!(stream.piece(piece(41, &[9; 20])).is_empty());
    let given = stream.piece(start(105, &message(60, 3)));
    assert_eq!(whole(&given), [(104, 0), (64, 0)]);
    assert_eq!(given[0].bytes[40..60], [9; 20]);
    assert_eq!(stream.conflicts(), 1);
}

#[test]
fn reading_of_another_length_is_given_whole_or_not_at_all() {
    for length in [60, 140] {
        let (first, second) = (message(100, 1), message(length, 2));
        let mut stream = Stream::new(Framing::NetBios);
        stream.piece(start(1, &first));
        assert!(stream.piece(start(1, &second[..40])).is_empty());
        let other = stream.piece(piece(41, &second[40..]));
        assert_eq!(other.first().map(|one| &one.bytes), Some(&second), "{length}");
        assert!(stream.conflicts() > 0);

        let mut stream = Stream::new(Framing::NetBios);
        stream.piece(start(1, &first));
        stream.piece(start(1, &second[..40]));
        assert_eq!(whole(&stream.piece(start(1000, &message(20, 3)))), [(24, 0)], "{length}");
    }
}

#[test]
fn message_that_begins_again_with_other_bytes_before_it_was_whole_has_two_readings() {
    let (first, second) = (message(100, 1), message(100, 2));
    let mut stream = Stream::new(Framing::NetBios);
    assert!(stream.piece(start(1, &first[..98])).is_empty());
    let given = stream.piece(start(1, &second));
    assert_eq!(whole(&given), [(98, 6), (104, 0)]);
    assert_eq!((given[0].bytes.as_slice(), given[1].bytes.as_slice()), (&first[..98], second.as_slice()));
    assert_eq!(stream.conflicts(), 1);
    assert_eq!(whole(&stream.piece(start(105, &first))), [(104, 0)], "the stream goes on");
}

/// A later message of a compound, of `length` bytes.
fn chained(sequence: u32, bytes: &[u8], length: u32) -> Piece<'_> {
    Piece { chained: length, last: bytes.len() as u32 == length, ..start(sequence, bytes) }
}

#[test]
fn gives_later_messages_of_a_compound_with_a_session_header() {
    let compound = message(300, 4);
    let mut stream = Stream::new(Framing::NetBios);
    let first = Piece { last: true, ..start(0, &compound[..100]) };
    assert_eq!(whole(&stream.piece(first)), [(100, 204)]);
    let later = message(80, 5)[4..].to_vec();
    assert!(stream.piece(chained(100, &later[..30], 80)).is_empty());
    assert!(stream.piece(chained(100, &later[..30], 80)).is_empty(), "the same again");
    assert_eq!(stream.piece(piece(130, &later[30..])), [Joined { bytes: message(80, 5), missing: 0 }]);
    let other = message(80, 6)[4..].to_vec();
    let other_reading = [Joined { bytes: message(80, 6), missing: 0 }];
    assert_eq!(stream.piece(chained(100, &other, 80)), other_reading, "another reading");
    assert_eq!(stream.conflicts(), 1);
    let last = message(60, 7)[4..].to_vec();
    assert_eq!(stream.piece(chained(180, &last, 60)), [Joined { bytes: message(60, 7), missing: 0 }]);
    assert_eq!(whole(&stream.piece(start(304, &message(40, 8)))), [(44, 0)]);
    assert_eq!((stream.gaps(), stream.conflicts()), (0, 1));
}

#[test]
fn wrong_checksum_of_a_later_part_yields_to_a_right_one() {
    let (real, decoy, behind) = (message(100, 2), message(100, 3), message(40, 4));
    let parts: [&[(Checksum, usize, &[u8])]; 3] = [
        // The decoy's end, before the real message begins.
        &[
            (Checksum::Wrong, 60, &decoy[60..]),
            (Checksum::Right, 0, &real[..60]),
            (Checksum::Right, 60, &real[60..]),
        ],
        // A longer decoy, in two segments.
        &[(Checksum::Wrong, 0, &decoy), (Checksum::Wrong, 104, &[0; 50]), (Checksum::Right, 0, &real)],
        // Both ends of the decoy, around the real beginning.
        &[
            (Checksum::Right, 0, &real[..30]),
            (Checksum::Wrong, 70, &decoy[70..]),
            (Checksum::Wrong, 30, &decoy[30..70]),
            (Checksum::Right, 30, &real[30..]),
        ],
    ];
    for (case, parts) in parts.iter().enumerate() {
        let mut stream = Stream::new(Framing::NetBios);
        let first = message(50, 1);
        stream.piece(Piece { checksum: Checksum::Right, ..start(0, &first) });
        let mut given = Vec::new();
        for (checksum, from, bytes) in *parts {
            let starts_message = *from == 0;
            let part = piece(54 + *from as u32, bytes);
            given.extend(stream.piece(Piece { checksum: *checksum, starts_message, ..part }));
        }
        given.extend(stream.piece(Piece { checksum: Checksum::Right, ..start(158, &behind) }));
        let given: Vec<_> = given.into_iter().map(|message| message.bytes).collect();
        assert_eq!((given, stream.conflicts()), (vec![real.clone(), behind.clone()], 0), "case {case}");
    }
}

#[test]
fn end_of_a_message_that_comes_again_with_other_bytes_is_another_reading() {
    let (first, second) = (message(100, 1), message(100, 2));
    let mut stream = Stream::new(Framing::NetBios);
    stream.piece(start(1, &first));
    let given = stream.piece(piece(41, &second[40..]));
    assert_eq!(given[0].bytes, [&first[..40], &second[40..]].concat());
    assert_eq!(stream.conflicts(), 1);
}

#[test]
fn wrong_checksum_yields_to_a_right_one() {
    let with = |checksum, sequence, bytes| Piece { checksum, ..start(sequence, bytes) };
    let (first, real, decoy) = (message(50, 1), message(60, 2), message(60, 3));
    let behind = message(40, 4);
    let of = |messages: &[Joined]| messages.iter().map(|message| message.bytes.clone()).collect::<Vec<_>>();
    let begun = || {
        let mut stream = Stream::new(Framing::NetBios);
        assert_eq!(of(&stream.piece(with(Checksum::Right, 0, &first))), [&first[..]]);
        stream
    };
    let mut stream = begun();
    assert!(stream.piece(with(Checksum::Wrong, 54, &decoy)).is_empty());
    assert_eq!(of(&stream.piece(with(Checksum::Right, 54, &real))), [&real[..]]);
    assert!(stream.piece(with(Checksum::Wrong, 54, &decoy)).is_empty(), "behind the right one");
    assert_eq!(of(&stream.piece(with(Checksum::Right, 118, &behind))), [&behind[..]]);
    assert_eq!(stream.conflicts(), 0);
    let mut stream = begun();
    assert!(stream.piece(with(Checksum::Wrong, 54, &decoy)).is_empty());
    let unknown = stream.piece(with(Checksum::Unknown, 54, &real));
    assert_eq!((of(&unknown), stream.conflicts()), (vec![decoy.clone(), real.clone()], 1), "both stay");
    let mut stream = begun();
    assert!(stream.piece(with(Checksum::Wrong, 54, &decoy)).is_empty());
    assert_eq!(
        of(&stream.piece(with(Checksum::Right, 118, &behind))),
        [&decoy[..], &behind],
        "nothing else came"
    );
    let mut stream = Stream::new(Framing::NetBios);
    let never_right = stream.piece(with(Checksum::Wrong, 54, &decoy));
    assert_eq!(of(&never_right), [&decoy[..]], "where no checksum is right, none shows anything");
    let mut stream = begun();
    assert!(stream.piece(with(Checksum::Wrong, 54, &decoy)).is_empty());
    assert_eq!(of(&stream.finish()), [&decoy[..]]);
}
