//! Payload that is never reported: files, and unreadable messages.

use sensor_common::payload::PieceKind::{Continued, Message};
use sensor_common::slot::{
    Side::{Local, Remote},
    mark,
    tcp::ACK,
};
use sensor_tests::{Frame, Setup};

use super::{
    ENDS, SECRET, alone, follow,
    message::{
        REPLY, REQUEST, contents, of_smb2, pdu, rpc, session_message, smb1, smb1_with, smb2, smb2_header,
        smb2_with,
    },
    segment,
};
use crate::expect::{hold, kept_syn};

#[test]
fn reports_no_file_message() {
    let file = contents(600);
    let mut rows = Vec::new();
    // All commands of SMB2 except those that are evidence (MS-SMB2 2.2.1.2), with file contents wherever the path reads.
    for command in 5..=18 {
        for (reply, side) in [(REQUEST, Local), (REPLY, Remote)] {
            for at in [68, 84, 116, 124] {
                let message = smb2_with(command, reply, at, &file);
                rows.push(alone(
                    format!("SMB2 command {command}, reply {reply}, contents at {at}"),
                    segment(ENDS, side, 1, &message).unreported(),
                ));
            }
        }
    }
    let commands =
        [smb1::READ_ANDX, smb1::WRITE_ANDX, smb1::TRANSACTION2, smb1::NT_CREATE_ANDX, 0x0A, 0x0B, 0xA0];
    for command in commands {
        for (reply, side) in [(REQUEST, Local), (REPLY, Remote)] {
            for at in [36, 63, 64, 67, 68] {
                let message = smb1_with(command, reply, at, &file);
                rows.push(alone(
                    format!("SMB1 command {command:#x}, reply {reply}, contents at {at}"),
                    segment(ENDS, side, 1, &message).unreported(),
                ));
            }
        }
    }
    follow("reports_no_file_message", &Setup::default(), rows);
}

#[test]
fn bind_counts_only_where_the_command_has_its_data() {
    let bind = [pdu(rpc::BIND, 72), contents(100)].concat();
    let places = [
        ("WRITE reply", smb2::WRITE, REPLY, 116),
        ("READ request", smb2::READ, REQUEST, 84),
        ("WRITE, a byte off", smb2::WRITE, REQUEST, 117),
        ("READ reply where WRITE has it", smb2::READ, REPLY, 116),
        ("IOCTL where its reply has it", smb2::IOCTL, REQUEST, 116),
        ("CREATE", 5, REQUEST, 116),
    ];
    let rows = places.map(|(name, command, reply, at)| {
        let side = if reply { Remote } else { Local };
        alone(name, segment(ENDS, side, 1, &smb2_with(command, reply, at, &bind)).unreported())
    });
    follow("bind_counts_only_where_the_command_has_its_data", &Setup::default(), rows.to_vec());
}

#[test]
fn marks_encrypted_and_compressed_messages_without_reporting_them() {
    // After the identifier they look like a wanted message.
    let hidden = |identifier: u8| {
        let mut message = of_smb2(smb2::NEGOTIATE, REQUEST, 308);
        message[4] = identifier;
        message[68..].copy_from_slice(&contents(240));
        message
    };
    let rows = [("encrypted", 0xFD), ("compressed", 0xFC)]
        .map(|(name, identifier)| alone(name, segment(ENDS, Local, 1, &hidden(identifier)).unreported()));
    let test = "marks_encrypted_and_compressed_messages_without_reporting_them";
    follow(test, &Setup::default(), rows.to_vec());
    let marks = [("encrypted", 0xFD, mark::ENCRYPTED), ("compressed", 0xFC, mark::COMPRESSED)];
    let rows = marks.map(|(name, identifier, hides)| {
        let frame = Frame::tcp(ENDS.0, ENDS.1).flags(ACK).payload(&hidden(identifier));
        let reported = kept_syn(348).flags(ACK).payload(308).marked(mark::SMB_FROM_LOCAL | hides);
        (name, frame, reported.reported())
    });
    hold(test, &Setup::default(), rows);
}

#[test]
fn does_not_report_other_session_packets() {
    let rows = [
        ("keep-alive", vec![0x85, 0, 0, 0]),
        ("keep-alive with contents behind", [&[0x85, 0, 0, 0][..], SECRET].concat()),
        (
            "keep-alive with a message behind",
            [&[0x85][..], &of_smb2(smb2::NEGOTIATE, REQUEST, 100)[1..], SECRET].concat(),
        ),
        ("positive session response", vec![0x82, 0, 0, 0]),
        ("negative session response", vec![0x83, 0, 0, 1, 0x82]),
        ("text", SECRET.to_vec()),
        ("a session header alone", vec![0, 0, 2, 0]),
        ("without a session header", smb2_header(smb2::NEGOTIATE, REQUEST)),
    ]
    .map(|(name, payload)| alone(name, segment(ENDS, Local, 1, &payload).unreported()));
    follow("does_not_report_other_session_packets", &Setup::default(), rows.to_vec());
}

#[test]
fn reports_only_the_first_of_several_messages() {
    // MS-SMB2 2.2.1.2: NextCommand, at byte 20 of the header.
    let together = |command: u8, first: usize| {
        let mut message = smb2_header(command, REQUEST);
        message[20..24].copy_from_slice(&(first as u32).to_le_bytes());
        message.resize(first, 0x33);
        message.extend(smb2_header(smb2::WRITE, REQUEST));
        message.extend(contents(400));
        let length = message.len() + 4;
        session_message(&message, length)
    };
    let rows = vec![
        alone(
            "a tree connect and a write",
            segment(ENDS, Local, 1, &together(smb2::TREE_CONNECT, 112)).reported(Message, 116, 116),
        ),
        (
            "in two segments".to_owned(),
            vec![
                segment(ENDS, Local, 1, &together(smb2::TREE_CONNECT, 112)[..100])
                    .reported(Message, 116, 100),
                segment(ENDS, Local, 101, &together(smb2::TREE_CONNECT, 112)[100..])
                    .reported(Continued, 16, 16),
                segment(ENDS, Local, 600, SECRET).unreported(),
            ],
        ),
    ];
    follow("reports_only_the_first_of_several_messages", &Setup::default(), rows);
}

#[test]
fn does_not_report_contents_behind_a_message() {
    let message = of_smb2(smb2::SESSION_SETUP, REQUEST, 200);
    let write = smb2_with(smb2::WRITE, REQUEST, 116, &contents(300));
    let both = [&message[..], &write].concat();
    let next = 1 + both.len() as u32;
    let rows = vec![(
        "a session setup, then a write".to_owned(),
        vec![
            segment(ENDS, Local, 1, &both).reported(Message, 200, 200),
            segment(ENDS, Local, next, SECRET).unreported(),
        ],
    )];
    follow("does_not_report_contents_behind_a_message", &Setup::default(), rows);
}
