use super::*;
use crate::smb::SMB2;

fn message(header: &[(usize, u8)], length: u32, have: u32) -> u32 {
    split(header, length, &[have])
}

/// The result after the last of several segments with these lengths.
fn split(header: &[(usize, u8)], length: u32, segments: &[u32]) -> u32 {
    let mut all = [0; MAX_PIECE_LEN];
    all[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    for (at, value) in header {
        all[*at] = *value;
    }
    let mut partial = PartialHeader { identifier: all[4], ..PartialHeader::EMPTY };
    let whole = at_most(4 + (length & 0x00FF_FFFF), MAX_MESSAGE_LEN);
    let (mut into, mut wanted) = (0, UNDECIDED);
    for have in segments {
        assert_eq!(wanted, UNDECIDED, "decided before the last segment");
        let mut bytes = [0xEE; MAX_PIECE_LEN];
        let end = (into + have) as usize;
        bytes[into as usize..end].copy_from_slice(&all[into as usize..end]);
        let start = MessageStart { bytes: &bytes, have: (*have).min(MESSAGE_START_LEN as u32), into };
        partial.look(&start);
        wanted = partial.wanted(&start, whole, |at, length| of_pipe(&start, at, length));
        into += have;
    }
    wanted
}

#[test]
fn wants_more_of_a_first_payload_that_begins_like_a_client_hello() {
    let hello = [22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3];
    let wanted = |at: usize, value: u8| {
        let mut bytes = [0xEE; MAX_PIECE_LEN];
        bytes[..hello.len()].copy_from_slice(&hello);
        bytes[at] = value;
        of_first_payload(&MessageStart { bytes: &bytes, have: MESSAGE_START_LEN as u32, into: 0 })
    };
    for at in 0..16 {
        for value in 0..=u8::MAX {
            let is_hello = match at {
                // Version of the record, its length, length of the message, and what is behind.
                2 => value <= 7,
                3 => value < 0x40,
                4 | 7 | 8 | 10.. => true,
                _ => hello.get(at) == Some(&value),
            };
            let most = if is_hello { LONGEST_CLIENT_HELLO } else { LONGEST_FIRST_PAYLOAD };
            assert_eq!(wanted(at, value), most, "byte {at} is {value}");
        }
    }
    const { assert!(LONGEST_CLIENT_HELLO as usize <= MAX_PIECE_LEN) };
}

const V2: (usize, u8) = (4, SMB2);
const V1: (usize, u8) = (4, SMB1);

/// A DCE-RPC header of this type at `at`.
fn rpc(at: usize, kind: u8) -> [(usize, u8); 3] {
    [(at, 5), (at + 2, kind), (at + 4, 0x10)]
}

#[test]
fn wants_session_setup_and_tree_connect_but_no_files() {
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
fn wants_a_pipe_bind_whole_and_a_request_up_to_its_opnum() {
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
fn wants_only_the_first_of_several_messages() {
    for command in 0..=4 {
        assert_eq!(message(&[V2, (16, command), (24, 72)], 300, 300), 76, "{command}");
    }
    assert_eq!(message(&[V2, (16, 3), (25, 2)], 300, 300), 304, "the next one is not there");
    assert_eq!(message(&[V2, (16, 3), (27, 0xFF)], 0x00FF_FFFF, 1_400), MAX_MESSAGE_LEN);
    let bind = [&[V2, (16, 9), (24, 200)], &rpc(116, 11)[..]].concat();
    assert_eq!(message(&bind, 300, 300), 204);
}

#[test]
fn smb1_file_content_follows_from_command_and_direction() {
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
fn every_smb1_carrier_of_dce_rpc_is_known() {
    let reply = (13, 0x80);
    let carriers: [(&[(usize, u8)], usize); 10] = [
        (&[(8, 0x0B)], 52),
        (&[(8, 0x14)], 52),
        (&[(8, 0x0A), reply], 52),
        (&[(8, 0x13), reply], 52),
        (&[(8, 0x2C)], 52),
        (&[(8, 0x2C)], 64),
        (&[(8, 0x32), (61, 66)], 70),
        (&[(8, 0x32), reply, (51, 56)], 60),
        (&[(8, 0xA0), (68, 84)], 88),
        (&[(8, 0xA0), reply, (64, 70)], 74),
    ];
    for (header, at) in carriers {
        let pdu = |kind| [&[V1], header, &rpc(at, kind)[..]].concat();
        let said = [11, 0, 2].map(|kind| message(&pdu(kind), 600, 300));
        assert_eq!(said, [604, at as u32 + 24, 0], "{header:?} at {at}");
    }
    let far = [&[V1, (8, 0x32), (61, 200)][..], &rpc(204, 11)].concat();
    assert_eq!(message(&far, 600, 300), 0, "further than the start reaches");
    let split_in_words = [&[V1, (8, 0x32), (61, 66)][..], &rpc(70, 11)].concat();
    assert_eq!(split(&split_in_words, 600, &[40, 200]), 604);
    assert_eq!(message(&split_in_words, 600, 62), 0, "not across segments");
}

#[test]
fn transaction_with_a_bind_is_wanted_whole() {
    let reply = (13, 0x80);
    for (header, at) in [(&[(8, 0x25), (61, 84)][..], 88), (&[(8, 0x25), reply, (51, 56)], 60)] {
        let pdu = |kind| [&[V1], header, &rpc(at, kind)[..]].concat();
        let said = [11, 0].map(|kind| message(&pdu(kind), 2_000, 1_400));
        assert_eq!(said, [2_004, MAX_TRANSACTION], "{header:?}");
    }
}

#[test]
fn limits_very_long_messages() {
    assert_eq!(message(&[V2, (16, 1)], 0x00FF_FFFF, 1_400), MAX_MESSAGE_LEN);
    assert_eq!(message(&[V1, (8, 0x25)], 4_000, 1_400), MAX_TRANSACTION);
}

#[test]
fn reads_the_endpoint_mapper_by_its_own_length() {
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
fn less_than_a_header_is_undecided() {
    assert_eq!(message(&[V1, (8, 0x72)], 100, 8), UNDECIDED);
    for have in 8..28 {
        assert_eq!(message(&[V2, (16, 1)], 100, have), UNDECIDED, "{have}");
    }
    assert_eq!(message(&[V2, (16, 1)], 20, 8), 0, "it will never hold a header");
}

#[test]
fn decides_with_the_segment_that_completes_the_header() {
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
fn decides_a_bind_with_its_first_segment() {
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
