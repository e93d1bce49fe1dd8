//! Messages in several segments: every segment of a wanted range is reported, in any order.

use sensor_common::{
    payload::PieceKind::{Continued, FirstPayload, Message, Rpc},
    slot::Side::{self, Local, Remote},
};
use sensor_tests::Setup;

use super::{
    Course, ENDS, Ends, SECRET, Step, follow,
    message::{REPLY, REQUEST, contents, of_smb2, pdu, rpc, smb2, smb2_with},
    segment,
};

/// First sequence number of the streams of these fixtures.
const START: u32 = 1_000;

/// The segment of `side` with `part` of `message`, as the stream continues.
fn part(side: Side, message: &[u8], part: std::ops::Range<usize>) -> Step {
    part_from(START, side, message, part)
}

fn part_from(start: u32, side: Side, message: &[u8], part: std::ops::Range<usize>) -> Step {
    let (from, rest) = (part.start, (message.len() - part.start) as u32);
    let length = part.len();
    let sent = segment(ENDS, side, start.wrapping_add(from as u32), &message[part]);
    sent.reported(if from == 0 { Message } else { Continued }, rest, length)
}

fn setup_request(length: usize) -> Vec<u8> {
    of_smb2(smb2::SESSION_SETUP, REQUEST, length)
}

fn course(name: &str, steps: Vec<Step>) -> Course {
    (name.to_owned(), steps)
}

#[test]
fn reports_segments_of_a_message_in_any_order() {
    let message = setup_request(500);
    let parts = |order: &[std::ops::Range<usize>]| {
        order.iter().map(|range| part(Local, &message, range.clone())).collect::<Vec<_>>()
    };
    let behind = START + 500;
    let mut rows = vec![
        course("in order", parts(&[0..200, 200..350, 350..500])),
        course("the last before the middle one", parts(&[0..200, 350..500, 200..350])),
        course("all but the first backwards", parts(&[0..100, 400..500, 300..400, 200..300, 100..200])),
        course("repeated", parts(&[0..200, 0..200, 200..350, 200..350, 350..500, 350..500, 0..200])),
        course("overlapping", parts(&[0..200, 150..300, 250..500, 199..499])),
        course("byte for byte at its end", parts(&[0..493, 493..494, 494..496, 496..499, 499..500])),
    ];
    let mut ended = parts(&[0..200, 350..500]);
    ended.push(segment(ENDS, Local, behind, SECRET).unreported());
    ended.push(segment(ENDS, Local, START + 200, &message[200..350]).unreported());
    rows.push(course("what lies behind the message ends it", ended));
    let mut before = vec![part(Local, &message, 0..200)];
    before.push(segment(ENDS, Local, START - 50, SECRET).unreported());
    before.push(part(Local, &message, 200..500));
    rows.push(course("what lies before the message does not", before));
    let test = "reports_segments_of_a_message_in_any_order";
    follow(test, &Setup::default(), rows);
}

#[test]
fn sequence_numbers_wrap_inside_a_message() {
    let message = setup_request(500);
    let rows = [u32::MAX - 99, u32::MAX - 199, u32::MAX - 249, u32::MAX - 498, 0].map(|start| {
        let part = |range| part_from(start, Local, &message, range);
        let behind = segment(ENDS, Local, start.wrapping_add(500), SECRET).unreported();
        course(
            &format!("from {start}"),
            vec![part(0..200), part(350..500), part(200..350), part(200..201), behind],
        )
    });
    follow("sequence_numbers_wrap_inside_a_message", &Setup::default(), rows.to_vec());
}

#[test]
fn range_ends_with_its_message() {
    let message = setup_request(300);
    let file = smb2_with(smb2::WRITE, REQUEST, 116, &contents(400));
    let tail_and_file = [&message[200..], &file].concat();
    let next = START + 300;
    let rows = vec![
        course(
            "the segment that ends it holds the next message too",
            vec![
                part(Local, &message, 0..200),
                segment(ENDS, Local, START + 200, &tail_and_file).reported(Continued, 100, 100),
                segment(ENDS, Local, START + 200 + tail_and_file.len() as u32, SECRET).unreported(),
            ],
        ),
        course(
            "a file follows in segments of its own",
            vec![
                part(Local, &message, 0..200),
                part(Local, &message, 200..300),
                segment(ENDS, Local, next, &file[..200]).unreported(),
                segment(ENDS, Local, next + 200, &file[200..]).unreported(),
            ],
        ),
        course(
            "another message begins before the first is complete",
            vec![
                part(Local, &message, 0..200),
                segment(ENDS, Local, next, &file).unreported(),
                segment(ENDS, Local, START + 200, SECRET).unreported(),
            ],
        ),
        course(
            "one wanted message follows the other",
            vec![
                part(Local, &message, 0..200),
                part(Local, &message, 200..300),
                part_from(next, Local, &setup_request(240), 0..120),
                part_from(next, Local, &setup_request(240), 120..240),
                segment(ENDS, Local, next + 240, SECRET).unreported(),
            ],
        ),
        course(
            "a message in one segment awaits nothing",
            vec![part(Local, &message, 0..300), segment(ENDS, Local, next, SECRET).unreported()],
        ),
    ];
    follow("range_ends_with_its_message", &Setup::default(), rows);
}

#[test]
fn follows_both_sides_at_once() {
    let (request, reply) = (setup_request(400), of_smb2(smb2::SESSION_SETUP, REPLY, 420));
    let far = |range| part_from(START + 300, Remote, &reply, range);
    let rows = vec![
        course(
            "in turn",
            vec![
                part(Local, &request, 0..100),
                far(0..50),
                part(Local, &request, 100..300),
                far(50..300),
                far(300..420),
                part(Local, &request, 300..400),
            ],
        ),
        course(
            "one side alone has something to go on with",
            vec![
                part(Local, &request, 0..100),
                segment(ENDS, Remote, START + 100, SECRET).unreported(),
                part(Local, &request, 100..400),
            ],
        ),
    ];
    follow("follows_both_sides_at_once", &Setup::default(), rows);
}

#[test]
fn range_does_not_outlive_its_flow() {
    let message = setup_request(400);
    let other: Ends = ("10.0.0.3:50000", "8.8.4.4:445");
    let elsewhere = |length: usize| segment(other, Local, START, &setup_request(length));
    let rows = vec![
        course(
            "another flow has the slot",
            vec![
                part(Local, &message, 0..200),
                elsewhere(150).reported(Message, 150, 150),
                segment(ENDS, Local, START + 200, &message[200..]).unreported(),
            ],
        ),
        course(
            "the same ends again, by a SYN",
            vec![
                part(Local, &message, 0..200),
                segment(ENDS, Local, START + 199, &[]).modified(|frame| frame.flags(2)).unreported(),
                segment(ENDS, Local, START + 200, &message[200..]).reported(FirstPayload, 64, 64),
            ],
        ),
        course(
            "a flow that follows while the range of another was open",
            vec![part(Local, &message, 0..200), segment(other, Local, START + 200, SECRET).unreported()],
        ),
    ];
    follow("range_does_not_outlive_its_flow", &Setup::default(), rows);
}

#[test]
fn follows_split_binds_and_requests_to_the_wanted_end() {
    let rpc_ends: Ends = ("10.0.0.2:50000", "8.8.4.4:135");
    let bind = pdu(rpc::BIND, 160);
    let in_pipe = smb2_with(smb2::WRITE, REQUEST, 116, &pdu(rpc::REQUEST, 200));
    let rows = vec![
        course(
            "a bind to the endpoint mapper",
            vec![
                segment(rpc_ends, Local, START, &bind[..60]).reported(Rpc, 160, 60),
                segment(rpc_ends, Local, START + 60, &bind[60..]).reported(Continued, 100, 100),
                segment(rpc_ends, Local, START + 160, SECRET).unreported(),
            ],
        ),
        course(
            "a request in a pipe ends before its data",
            vec![
                segment(ENDS, Local, START, &in_pipe[..130]).reported(Message, 140, 130),
                segment(ENDS, Local, START + 130, &in_pipe[130..]).reported(Continued, 10, 10),
                segment(ENDS, Local, START + 140, SECRET).unreported(),
            ],
        ),
    ];
    let test = "follows_split_binds_and_requests_to_the_wanted_end";
    follow(test, &Setup::default(), rows);
}

#[test]
fn reports_and_follows_messages_on_an_unwatched_port() {
    // An engine apart: the port stays marked.
    let setup = Setup { ring_bytes: 1 << 18, ..Setup::default() };
    let ends: Ends = ("10.0.0.2:50000", "8.8.4.4:4445");
    let (request, reply) = (setup_request(500), of_smb2(smb2::SESSION_SETUP, REPLY, 200));
    let sent = |side, sequence, payload: &[u8]| segment(ends, side, sequence, payload);
    let rows = vec![course(
        "port 4445",
        vec![
            sent(Local, START, &request[..200]).reported(Message, 500, 200),
            sent(Local, START + 350, &request[350..]).reported(Continued, 150, 150),
            sent(Local, START + 200, &request[200..350]).reported(Continued, 300, 150),
            sent(Remote, 9, &reply).reported_whole(Message),
            sent(Local, START + 500, SECRET).unreported(),
        ],
    )];
    follow("reports_and_follows_messages_on_an_unwatched_port", &setup, rows);
}
