//! How much is reported: very long messages, very short segments, and frames that are shorter than they claim.

use sensor_common::{
    evidence::MAX_MESSAGE_LEN,
    payload::{
        MAX_PIECE_LEN,
        PieceKind::{Continued, Datagram, Message},
    },
    slot::Side::Local,
};
use sensor_tests::Setup;

use super::{
    Course, ENDS, Ends, SECRET, Step, alone, datagram, follow,
    message::{REQUEST, of_smb1, of_smb2, pdu, rpc, smb1, smb2, smb2_header},
    segment,
};

#[test]
fn reports_the_beginning_of_a_very_long_message() {
    let message = of_smb2(smb2::SESSION_SETUP, REQUEST, 20_000);
    let mut steps: Vec<Step> = Vec::new();
    let longest = MAX_MESSAGE_LEN as usize;
    for at in (0..longest).step_by(1_400) {
        let sent = segment(ENDS, Local, at as u32, &message[at..at + 1_400]);
        let kind = if at == 0 { Message } else { Continued };
        steps.push(sent.reported(kind, (longest - at) as u32, (longest - at).min(1_400)));
    }
    steps.push(segment(ENDS, Local, longest as u32, &message[longest..9_000]).unreported());
    let transaction = of_smb1(smb1::TRANSACTION, REQUEST, 900);
    let rows = vec![
        ("a session setup".to_owned(), steps),
        alone("an SMB1 transaction", segment(ENDS, Local, 1, &transaction).reported(Message, 512, 512)),
    ];
    follow("reports_the_beginning_of_a_very_long_message", &Setup::default(), rows);
}

#[test]
fn reports_as_much_of_a_long_segment_as_a_piece_holds() {
    let ends: Ends = ("[fd00:1::2]:50000", "[2001:4860:4860::8844]:445");
    let most = MAX_PIECE_LEN;
    let mut rows: Vec<Course> = Vec::new();
    for ends in [ENDS, ends] {
        for length in [1_460, 2_048, 3_300, most - 1, most, most + 1, 6_000, longest(), longest() + 900] {
            let message = of_smb2(smb2::SESSION_SETUP, REQUEST, length);
            let wanted = length.min(longest());
            let step = segment(ends, Local, 1, &message).reported(Message, wanted as u32, wanted.min(most));
            rows.push(alone(format!("{length} bytes from {}", ends.0), step));
        }
    }
    follow("reports_as_much_of_a_long_segment_as_a_piece_holds", &Setup::default(), rows);
}

const fn longest() -> usize {
    MAX_MESSAGE_LEN as usize
}

#[test]
fn reports_a_message_from_its_first_bytes() {
    let message = of_smb2(smb2::SESSION_SETUP, REQUEST, 300);
    let v1 = of_smb1(smb1::NEGOTIATE, REQUEST, 300);
    let rpc_ends: Ends = ("10.0.0.2:50000", "8.8.4.4:135");
    let bind = pdu(rpc::BIND, 72);
    let mut rows = Vec::new();
    for length in 1..40 {
        let (v2, v1) = (segment(ENDS, Local, 1, &message[..length]), segment(ENDS, Local, 1, &v1[..length]));
        let bind = segment(rpc_ends, Local, 1, &bind[..length]);
        let reported = |sent: super::Sent, kind, wanted, from| {
            if length < from { sent.unreported() } else { sent.reported(kind, wanted, length) }
        };
        rows.push(alone(format!("{length} bytes of SMB2"), reported(v2, Message, 300, 8)));
        rows.push(alone(format!("{length} bytes of SMB1"), reported(v1, Message, 300, 8)));
        let rpc = sensor_common::payload::PieceKind::Rpc;
        rows.push(alone(format!("{length} bytes of a bind"), reported(bind, rpc, 72, 10)));
    }
    follow("reports_a_message_from_its_first_bytes", &Setup::default(), rows);
}

#[test]
fn reports_tiny_payloads_only_inside_a_range() {
    let message = of_smb2(smb2::SESSION_SETUP, REQUEST, 100);
    let mut rows: Vec<Course> = Vec::new();
    for length in 1..=8 {
        let lone = segment(ENDS, Local, 1, &SECRET[..length]).unreported();
        rows.push(alone(format!("{length} bytes by themselves"), lone));
        let inside = vec![
            segment(ENDS, Local, 1, &message[..50]).reported(Message, 100, 50),
            segment(ENDS, Local, 51, &message[50..50 + length]).reported(Continued, 50, length),
        ];
        rows.push((format!("{length} bytes of a message"), inside));
    }
    follow("reports_tiny_payloads_only_inside_a_range", &Setup::default(), rows);
}

#[test]
fn reports_nothing_of_a_frame_shorter_than_it_claims() {
    let message = of_smb2(smb2::SESSION_SETUP, REQUEST, 300);
    let cut = |there: usize| {
        segment(ENDS, Local, 1, &message[..there]).modified(|frame| frame.length(340)).unreported()
    };
    let mut rows: Vec<Course> = [0, 1, 8, 28, 100, 131, 132, 200, 299]
        .map(|there| alone(format!("{there} of 300 bytes"), cut(there)))
        .to_vec();
    let whole = segment(ENDS, Local, 1, &message).modified(|frame| frame.length(340));
    rows.push(alone("300 of 300 bytes", whole.reported_whole(Message)));
    // The range does not begin with an unreported segment.
    let follows = segment(ENDS, Local, 101, &message[100..]).unreported();
    rows.push(("what follows such a frame".to_owned(), vec![cut(100), follows]));
    let ends: Ends = ("10.0.0.2:137", "8.8.4.4:137");
    let short = datagram(ends, Local, &[7; 50]).modified(|frame| frame.length(100)).unreported();
    rows.push(alone("a datagram", short));
    let padded = datagram(ends, Local, &[7; 50]).modified(|frame| frame.padding(30));
    rows.push(alone("padding is no payload", padded.reported_whole(Datagram)));
    let test = "reports_nothing_of_a_frame_shorter_than_it_claims";
    follow(test, &Setup::default(), rows);
}

#[test]
fn survives_a_session_header_with_a_false_length() {
    let lying = |length: u32, there: usize| {
        let mut message = length.to_be_bytes().to_vec();
        message.extend(smb2_header(smb2::NEGOTIATE, REQUEST));
        message.resize(there, 0x44);
        message
    };
    let rows = vec![
        alone("nothing at all", segment(ENDS, Local, 1, &lying(0, 100)).reported(Message, 4, 4)),
        alone("less than its header", segment(ENDS, Local, 1, &lying(10, 100)).reported(Message, 14, 14)),
        alone(
            "16 MiB",
            segment(ENDS, Local, 1, &lying(0x00FF_FFFF, 100)).reported(Message, MAX_MESSAGE_LEN, 100),
        ),
    ];
    let test = "survives_a_session_header_with_a_false_length";
    follow(test, &Setup::default(), rows);
}
