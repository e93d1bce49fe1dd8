//! Messages whose first segment does not show whether they are evidence.

use sensor_common::{
    path::MAX_PIECES,
    payload::PieceKind::{Continued, Message},
    slot::Side::{Local, Remote},
};
use sensor_tests::Setup;

use super::{
    Course, ENDS, Step, alone, follow,
    message::{REPLY, REQUEST, contents, of_smb1, of_smb2, pdu, rpc, smb1, smb2, smb2_with},
    segment,
};

const START: u32 = 1_000;

/// `message` in segments of these lengths from the internal side; its first `reported` bytes are reported.
fn sent_in(message: &[u8], lengths: &[usize], wanted: [usize; 2], reported: usize) -> Vec<Step> {
    let (mut at, mut steps) = (0, Vec::new());
    for (number, length) in lengths.iter().enumerate() {
        let sent = segment(ENDS, Local, START + at as u32, &message[at..at + length]);
        let wanted = wanted[usize::from(number > 0)];
        steps.push(if at < reported {
            let kind = if at == 0 { Message } else { Continued };
            sent.reported(kind, (wanted - at) as u32, (*length).min(wanted - at))
        } else {
            sent.unreported()
        });
        at += length;
    }
    steps
}

fn bind(command: u8, at: usize) -> Vec<u8> {
    smb2_with(command, REQUEST, at, &pdu(rpc::BIND, 72))
}

#[test]
fn reports_a_wanted_message_whole_after_any_short_first_segment() {
    let mut rows: Vec<Course> = Vec::new();
    let message = of_smb2(smb2::SESSION_SETUP, REQUEST, 300);
    for cut in 8..28 {
        let steps = sent_in(&message, &[cut, 100, 200 - cut], [300; 2], 300);
        rows.push((format!("SMB2 after {cut} bytes"), steps));
    }
    rows.push((
        "SMB2, a few bytes at a time".into(),
        sent_in(&message, &[8, 1, 7, 1, 5, 6, 100], [300; 2], 300),
    ));
    let v1 = of_smb1(smb1::SESSION_SETUP_ANDX, REQUEST, 300);
    rows.push(("SMB1 after 8 bytes".into(), sent_in(&v1, &[8, 1, 291], [300; 2], 300)));
    follow("wanted_message_is_reported_whole_however_short", &Setup::default(), rows);
}

#[test]
fn stops_reporting_an_unwanted_message() {
    let mut rows: Vec<Course> = Vec::new();
    for command in [5, 6, 8, 14, 16] {
        let message = of_smb2(command, REQUEST, 300);
        rows.push((format!("SMB2 command {command}"), sent_in(&message, &[20, 100, 100, 80], [300; 2], 20)));
    }
    let file = smb2_with(smb2::WRITE, REQUEST, 116, &contents(300));
    for first in [28, 60, 116] {
        let rest = file.len() - first - 100;
        let steps = sent_in(&file, &[first, 100, rest], [file.len(); 2], first);
        rows.push((format!("a file behind {first} bytes"), steps));
    }
    for first in [117, 118] {
        // The possible beginning of a file is not reported, not even a byte of it.
        let steps = sent_in(&file, &[first, 100], [file.len(); 2], 0);
        rows.push((format!("{} bytes of a file with the header", first - 116), steps));
    }
    let v1 = of_smb1(smb1::TRANSACTION2, REQUEST, 300);
    rows.push(("SMB1, a file".into(), sent_in(&v1, &[8, 100, 192], [300; 2], 8)));
    follow("stops_reporting_an_unwanted_message", &Setup::default(), rows);
}

#[test]
fn reports_a_bind_behind_a_header_in_its_own_segment() {
    let mut rows: Vec<Course> = Vec::new();
    for (name, command, at) in [("WRITE", smb2::WRITE, 116), ("IOCTL", smb2::IOCTL, 124)] {
        let message = bind(command, at);
        let all = message.len();
        for first in [8, 27, 28, 60, 76, at] {
            let second = (at + 8 - first).max(40);
            let steps = sent_in(&message, &[first, second, all - first - second], [all; 2], all);
            rows.push((format!("{name} after {first} bytes"), steps));
        }
        let request = smb2_with(command, REQUEST, at, &pdu(rpc::REQUEST, 72));
        let steps = sent_in(&request, &[at, 72], [request.len(), at + 24], at + 24);
        rows.push((format!("a request by {name}"), steps));
    }
    let reply = smb2_with(smb2::READ, REPLY, 84, &pdu(rpc::BIND_ACK, 68));
    let far = |from: usize, to: usize| segment(ENDS, Remote, START + from as u32, &reply[from..to]);
    let all = reply.len();
    rows.push((
        "a reply, in segments of 76 bytes".into(),
        vec![
            far(0, 76).reported(Message, all as u32, 76),
            far(76, all).reported(Continued, (all - 76) as u32, all - 76),
        ],
    ));
    follow("reports_a_bind_behind_a_header_in_its_own_segment", &Setup::default(), rows);
}

#[test]
fn reads_a_header_in_order_and_from_one_side_alone() {
    let message = of_smb2(smb2::SESSION_SETUP, REQUEST, 300);
    let part = |from: usize, to: usize| segment(ENDS, Local, START + from as u32, &message[from..to]);
    let first = || part(0, 20).reported(Message, 300, 20);
    let far = of_smb2(smb2::SESSION_SETUP, REPLY, 200);
    let rows: Vec<Course> = vec![
        (
            "a gap in the header".into(),
            vec![first(), part(24, 100).unreported(), part(20, 120).reported(Continued, 280, 100)],
        ),
        ("the first again".into(), vec![first(), first(), part(20, 300).reported(Continued, 280, 280)]),
        (
            "a whole message of the other side between".into(),
            vec![
                first(),
                segment(ENDS, Remote, 5, &far).reported_whole(Message),
                part(20, 300).reported(Continued, 280, 280),
            ],
        ),
        (
            "the header of a message of the other side begins between".into(),
            vec![
                first(),
                segment(ENDS, Remote, 5, &far[..20]).reported(Message, 200, 20),
                // There is room for one header.
                part(20, 300).unreported(),
                segment(ENDS, Remote, 25, &far[20..]).reported(Continued, 180, 180),
            ],
        ),
        (
            "another message instead".into(),
            vec![first(), segment(ENDS, Local, START + 300, &message).reported_whole(Message)],
        ),
        alone("no space for a header", segment(ENDS, Local, 1, b"\0\0\0\x10\xFESMB@\0").unreported()),
    ];
    follow("reads_a_header_in_order_and_from_one_side_alone", &Setup::default(), rows);
}

#[test]
fn undecided_messages_use_at_most_half_of_the_pieces() {
    let file = of_smb2(smb2::WRITE, REQUEST, 200);
    let setup = of_smb2(smb2::SESSION_SETUP, REQUEST, 300);
    let mut steps: Vec<Step> = Vec::new();
    for number in 0..MAX_PIECES {
        let sent = segment(ENDS, Local, number * 200, &file[..60]);
        steps.push(if number < MAX_PIECES / 2 { sent.reported(Message, 200, 60) } else { sent.unreported() });
        steps.push(segment(ENDS, Local, number * 200 + 60, &file[60..200]).unreported());
    }
    steps.push(segment(ENDS, Local, 500_000, &setup).reported_whole(Message));
    follow(
        "undecided_messages_use_at_most_half_of_the_pieces",
        &Setup::default(),
        vec![("files".into(), steps)],
    );
}
