//! Heads of HTTP messages: reported up to their end once a WebDAV client sent a request, and never the bytes behind it.

use sensor_common::{
    payload::PieceKind::{Continued, HttpHead},
    slot::Side,
};
use sensor_tests::Setup;

use super::{Course, Ends, SECRET, Step, follow, segment};

/// Each course has a port of its own: one that is marked stays so.
const fn ends(port: &'static str) -> Ends {
    ("10.0.0.2:50000", port)
}

const REQUEST: &[u8] = b"PROPFIND /share HTTP/1.1\r\nHost: 8.8.4.4\r\nAuthorization: NTLM TlRM\r\n\r\n";
const GET: &[u8] = b"GET /share/a HTTP/1.1\r\nHost: 8.8.4.4\r\nAuthorization: NTLM TlRM\r\n\r\n";

fn setup() -> Setup {
    Setup { ring_bytes: 1 << 19, ..Setup::default() }
}

/// A segment of the client at this place of its stream.
fn asks(ends: Ends, sequence: u32, payload: &[u8]) -> super::Sent {
    segment(ends, Side::Local, sequence, payload)
}

/// A segment of the server.
fn answers(ends: Ends, sequence: u32, payload: &[u8]) -> super::Sent {
    segment(ends, Side::Remote, sequence, payload)
}

/// The request with which a connection begins.
fn begin(ends: Ends) -> Step {
    asks(ends, 1, REQUEST).reported_whole(HttpHead)
}

fn course(name: &str, steps: Vec<Step>) -> Course {
    (name.to_owned(), steps)
}

#[test]
fn heads_of_a_webdav_connection_are_reported_without_what_is_behind_them() {
    let head = b"HTTP/1.1 207 Multi-Status\r\nContent-Length: 40\r\n\r\n";
    let with_content = [head, SECRET].concat();
    let ends = ends("8.8.4.4:8081");
    let courses = vec![course(
        "a listing and a file",
        vec![
            begin(ends),
            answers(ends, 1, &with_content).reported(HttpHead, head.len() as u32, head.len()),
            answers(ends, 1 + with_content.len() as u32, SECRET).unreported(),
            asks(ends, 1 + REQUEST.len() as u32, GET).reported_whole(HttpHead),
            answers(ends, 500, SECRET).unreported(),
        ],
    )];
    follow("heads_of_a_webdav_connection_are_reported_without_what_is_behind_them", &setup(), courses);
}

#[test]
fn head_in_several_segments_is_reported_up_to_its_end() {
    let ends = ends("8.8.4.4:8082");
    // The empty line that ends the head is cut in its middle.
    let (first, second) = REQUEST.split_at(REQUEST.len() - 2);
    let rest = [second, SECRET].concat();
    let at = 1 + first.len() as u32;
    let courses = vec![
        course(
            "in order",
            vec![
                asks(ends, 1, first).reported_whole(HttpHead),
                asks(ends, at, &rest).reported(Continued, 2, 2),
                asks(ends, at + rest.len() as u32, SECRET).unreported(),
            ],
        ),
        course(
            "its middle comes last",
            vec![
                asks(ends, 1, &REQUEST[..20]).reported_whole(HttpHead),
                asks(ends, 41, &REQUEST[40..]).reported_whole(Continued),
                asks(ends, 21, &REQUEST[20..40]).reported_whole(Continued),
                asks(ends, 1 + REQUEST.len() as u32, SECRET).unreported(),
            ],
        ),
    ];
    follow("head_in_several_segments_is_reported_up_to_its_end", &setup(), courses);
}

#[test]
fn long_head_is_given_up_behind_its_bound() {
    let ends = ends("8.8.4.4:8083");
    let filling = [b'a'; 500];
    let mut steps = vec![asks(ends, 1, &[b"PROPFIND /", &filling[..]].concat()).reported_whole(HttpHead)];
    let mut at = 511;
    while at < 8_193 {
        steps.push(asks(ends, at, &filling).reported_whole(Continued));
        at += filling.len() as u32;
    }
    steps.push(asks(ends, at, &filling).unreported());
    follow("long_head_is_given_up_behind_its_bound", &setup(), vec![course("of many segments", steps)]);
}

#[test]
fn heads_are_nothing_without_a_request_of_webdav() {
    let (web, smb) = (ends("8.8.4.4:8084"), super::ENDS);
    let courses = vec![
        course(
            "a page",
            vec![asks(web, 1, GET).unreported(), answers(web, 1, b"HTTP/1.1 200 OK\r\n\r\n").unreported()],
        ),
        course("content of a file", {
            let message = crate::any_port::message(0xFE, false);
            let first = segment(smb, Side::Local, 1, &message);
            vec![
                first.reported_whole(sensor_common::payload::PieceKind::Message),
                asks(smb, 1 + message.len() as u32, REQUEST).unreported(),
            ]
        }),
    ];
    follow("heads_are_nothing_without_a_request_of_webdav", &setup(), courses);
}
