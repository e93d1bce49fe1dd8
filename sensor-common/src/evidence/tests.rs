use super::*;
use crate::smb::SMB2;

fn message(header: &[(usize, u8)], length: u32, have: u32) -> u32 {
    split(header, length, &[have])
}

/// What is said with the last of segments of these lengths.
fn split(header: &[(usize, u8)], length: u32, segments: &[u32]) -> u32 {
    let mut all = [0; MAX_PIECE_LEN];
    all[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    for (at, value) in header {
        all[*at] = *value;
    }
    let mut begun = PartialHeader { identifier: all[4], ..PartialHeader::EMPTY };
    let whole = at_most(4 + (length & 0x00FF_FFFF), LONGEST);
    let (mut into, mut wanted) = (0, UNDECIDED);
    for have in segments {
        assert_eq!(wanted, UNDECIDED, "decided before the last segment");
        let mut bytes = [0xEE; MAX_PIECE_LEN];
        let end = (into + have) as usize;
        bytes[into as usize..end].copy_from_slice(&all[into as usize..end]);
        let start = MessageStart { bytes: &bytes, have: (*have).min(MESSAGE_START_LEN as u32), into };
        begun.look(&start);
        wanted = begun.wanted(&start, whole);
        into += have;
    }
    wanted
}

const V2: (usize, u8) = (4, SMB2);
const V1: (usize, u8) = (4, SMB1);

/// A DCE-RPC header of this type at `at`.
fn rpc(at: usize, kind: u8) -> [(usize, u8); 3] {
    [(at, 5), (at + 2, kind), (at + 4, 0x10)]
}

#[test]
fn session_set_up_and_tree_connect_are_wanted_whole_and_files_are_not() {
    for command in 0..=4 {
        assert_eq!(message(&[V2, (16, command)], 300, 300), 304, "{command}");
    }
    for command in 5..=18 {
        let content = |carries| if carries { CONTENT } else { 0 };
        assert_eq!(message(&[V2, (16, command)], 300, 300), content(command == 9), "{command}");
        let reply = message(&[V2, (16, command), (20, 1)], 300, 300);
        assert_eq!(reply, content(command == 8), "{command} reply");
        for status in 12..16 {
            assert_eq!(message(&[V2, (status, 1), (16, command), (20, 1)], 300, 300), 0, "{command} failed");
        }
    }
    for command in 0x70..=0x75 {
        assert_eq!(message(&[V1, (8, command)], 100, 100), 104, "{command:x}");
    }
    assert_eq!(message(&[V1, (8, 0x2E)], 100, 100), 0);
    assert_eq!(message(&[V1, (8, 0x32)], 100, 100), 0, "TRANSACTION2 carries files");
}

#[test]
fn a_bind_in_a_pipe_is_wanted_whole_and_a_request_up_to_its_operation_number() {
    let with = |command: &[(usize, u8)], at, kind| [&[V2], command, &rpc(at, kind)[..]].concat();
    assert_eq!(message(&with(&[(16, 9)], 116, 11), 300, 300), 304);
    assert_eq!(message(&with(&[(16, 9)], 116, 0), 300, 300), 140);
    assert_eq!(message(&with(&[(16, 11)], 124, 0), 300, 300), 148);
    assert_eq!(message(&with(&[(16, 8), (20, 1)], 84, 12), 300, 300), 304);
    assert_eq!(message(&with(&[(16, 11), (20, 1)], 116, 12), 300, 300), 304);
    assert_eq!(message(&with(&[(16, 9)], 116, 2), 300, 300), 0, "a response carries data");
    assert_eq!(message(&with(&[(16, 9)], 116, 11), 300, 116), UNDECIDED, "not enough to tell");
    assert_eq!(message(&with(&[(16, 9)], 116, 11), 300, 118), CONTENT, "it may be the beginning of a file");
    assert_eq!(message(&with(&[(16, 9)], 116, 11), 300, 119), 304, "version and type are enough");
    assert_eq!(message(&[V2, (16, 9)], 300, 119), CONTENT);
    let v1 = [&[V1, (8, 0x2F)], &rpc(68, 11)[..]].concat();
    assert_eq!(message(&v1, 200, 200), 204);
}

#[test]
fn of_messages_that_came_together_the_first_is_wanted_alone() {
    for command in 0..=4 {
        assert_eq!(message(&[V2, (16, command), (24, 72)], 300, 300), 76, "{command}");
    }
    assert_eq!(message(&[V2, (16, 3), (25, 2)], 300, 300), 304, "the next one is not there");
    assert_eq!(message(&[V2, (16, 3), (27, 0xFF)], 0x00FF_FFFF, 1_400), LONGEST);
    let bind = [&[V2, (16, 9), (24, 200)], &rpc(116, 11)[..]].concat();
    assert_eq!(message(&bind, 300, 300), 204);
}

#[test]
fn file_content_of_smb1_is_known_by_its_command_and_its_direction() {
    let reply = (13, 0x80);
    for command in 0..=0xFF {
        let read = matches!(command, 0x0A | 0x13 | 0x1A | 0x1B | 0x2E);
        let write = matches!(command, 0x0B | 0x14 | 0x1D | 0x1E | 0x1F | 0x2C | 0x2F | 0xC1);
        let is_content = |header: &[(usize, u8)]| message(header, 200, 200) == CONTENT;
        assert_eq!(is_content(&[V1, (8, command)]), write, "{command:#x}");
        assert_eq!(is_content(&[V1, (8, command), reply]), read, "{command:#x} reply");
        assert!(!is_content(&[V1, (8, command), (9, 1), reply]), "{command:#x} failed");
    }
    let in_pipe = [&[V1, (8, 0x2E), reply], &rpc(64, 2)[..]].concat();
    assert_eq!(message(&in_pipe, 200, 200), 0, "an answer in a pipe");
    assert_eq!(message(&[V1, (8, 0x2E), reply], 59, 63), 0, "nothing was read");
}

#[test]
fn what_is_very_long_is_cut() {
    assert_eq!(message(&[V2, (16, 1)], 0x00FF_FFFF, 1_400), LONGEST);
    assert_eq!(message(&[V1, (8, 0x25)], 4_000, 1_400), LONGEST_TRANSACTION);
}

#[test]
fn the_endpoint_mapper_is_read_by_its_own_length() {
    let mut bytes = [0; MAX_PIECE_LEN];
    for (at, value) in rpc(0, 11) {
        bytes[at] = value;
    }
    bytes[8] = 72;
    assert_eq!(of_rpc(&MessageStart { bytes: &bytes, have: 72, into: 0 }), 72);
    bytes[2] = 0;
    assert_eq!(of_rpc(&MessageStart { bytes: &bytes, have: 72, into: 0 }), 24);
    bytes[0] = 4;
    assert_eq!(of_rpc(&MessageStart { bytes: &bytes, have: 72, into: 0 }), 0);
}

#[test]
fn less_than_a_header_does_not_tell() {
    assert_eq!(message(&[V1, (8, 0x72)], 100, 8), UNDECIDED);
    for have in 8..28 {
        assert_eq!(message(&[V2, (16, 1)], 100, have), UNDECIDED, "{have}");
    }
    assert_eq!(message(&[V2, (16, 1)], 20, 8), 0, "it will never hold a header");
}

#[test]
fn however_a_message_is_split_it_is_known_by_the_segment_that_completes_its_header() {
    for cut in 8..28 {
        assert_eq!(split(&[V2, (16, 1)], 300, &[cut, 28 - cut]), 304, "{cut}");
        assert_eq!(split(&[V2, (16, 5)], 300, &[cut, 200]), 0, "{cut}");
        assert_eq!(split(&[V2, (16, 3), (24, 72)], 300, &[cut, 100]), 76, "{cut}");
    }
    assert_eq!(split(&[V2, (16, 1)], 300, &[8, 8, 4, 8]), 304);
    assert_eq!(split(&[V1, (8, 0x73)], 300, &[8, 6]), 304);
    assert_eq!(split(&[V1, (8, 0x32)], 300, &[8, 100]), 0);
}

#[test]
fn a_bind_is_known_by_the_segment_that_it_begins_in() {
    let bind = |command, at| [&[V2, (16, command)][..], &rpc(at, 11)[..]].concat();
    assert_eq!(split(&bind(9, 116), 300, &[76, 76]), 304);
    assert_eq!(split(&bind(9, 116), 300, &[116, 76]), 304, "header and data by themselves");
    assert_eq!(split(&bind(11, 124), 300, &[20, 100, 76]), 304);
    assert_eq!(split(&[V2, (16, 9)], 300, &[76, 76]), CONTENT, "a file");
    assert_eq!(split(&bind(9, 116), 300, &[76, 41]), CONTENT, "not across segments");
    let v1 = [&[V1, (8, 0x2F)], &rpc(68, 11)[..]].concat();
    assert_eq!(split(&v1, 200, &[8, 50, 80]), 204);
    assert_eq!(split(&v1, 200, &[69]), CONTENT, "not across segments");
}
