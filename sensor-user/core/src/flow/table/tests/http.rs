//! HTTP: WebDAV is a service of its own, and anything else is forgotten soon.

use sensor_common::{
    payload::PieceKind,
    slot::{Side, mark, tcp},
};
use sensor_dissect::stream::Checksum;

use super::bench::*;
use crate::{
    level::EvidenceLevel,
    record::{Observation, Piece},
    service::{Service, ServicePorts},
};

const HTTP: u16 = mark::HTTP | mark::SERVER_IS_REMOTE;

/// Only WebDAV and SMB by their messages.
fn unwatched() -> ServicePorts {
    ServicePorts { smb_tcp: vec![], ..ServicePorts::default() }
}

fn head(bench: &mut Bench, side: Side, sequence: u32, bytes: &[u8]) -> Vec<Did> {
    bench.piece(&Piece { side, sequence, ..piece(bytes) }, at(1))
}

/// The head of a message of the client.
fn piece(bytes: &[u8]) -> Piece<'_> {
    Piece {
        id: seen(OPEN, [0; 2], at(1)).id,
        side: Side::Local,
        kind: PieceKind::HttpHead,
        sequence: 1,
        wanted: bytes.len() as u32,
        at: at(1).ticks,
        bytes,
        checksum: Checksum::Unknown,
    }
}

fn began() -> Bench {
    let mut bench = Bench::new();
    bench.opened(&with_marks(HTTP, seen(OPEN, [2, 1], at(1))), at(1));
    bench
}

#[test]
fn method_of_webdav_makes_a_connection_one_of_webdav() {
    let mut bench = began();
    assert!(bench.entry().view(&unwatched()).is_none());
    let request = b"PROPFIND /share HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(head(&mut bench, Side::Local, 1, request), [Did::Updated]);
    assert!(bench.entry().view(&unwatched()).is_none(), "it may be the text of another protocol");
    assert_eq!(head(&mut bench, Side::Remote, 1, b"HTTP/1.1 207 Multi-Status\r\n\r\n"), [Did::Updated]);
    let view = bench.entry().view(&unwatched()).unwrap();
    assert_eq!(
        (view.service, view.usual_port, view.level),
        (Service::WebDav, false, EvidenceLevel::Connected)
    );
    assert!(!view.joined_late && view.complete);
    assert!(bench.entry().is_read(), "a log-on may follow");
}

#[test]
fn request_for_options_needs_no_reader_and_is_forgotten_soon() {
    let mut bench = began();
    let first = b"OPTIONS / HTTP/1.1\r\nOrigin: http://a\r\n";
    assert_eq!(head(&mut bench, Side::Local, 1, first), []);
    assert!(bench.entry().is_read(), "the rest of the head may follow");
    let rest = Piece { kind: PieceKind::Continued, sequence: 1 + first.len() as u32, ..piece(b"\r\n") };
    bench.piece(&rest, at(1));
    assert!(!bench.entry().is_read());
    assert_eq!(head(&mut bench, Side::Remote, 1, b"HTTP/1.1 204 No Content\r\n\r\n"), []);
    assert!(!bench.entry().is_read() && bench.entry().view(&unwatched()).is_none());
    assert!(bench.advance(at(150)).iter().all(|did| *did != Did::Closed));
    assert_eq!(bench.advance(at(152)), [Did::Closed]);
}

/// A stranger asks an internal web server. Gives the service, and whether WebDAV was seen to be served.
fn asked_from_outside(request: &[u8], answer: &[u8]) -> Option<(Service, bool)> {
    let mut bench = Bench::new();
    let marks = mark::HTTP | mark::SERVER_IS_LOCAL | mark::OPENED_BY_SYN;
    let mut seen = Observation { marks, ..seen(OPEN, [1, 2], at(1)) };
    seen.id.tuple.local.set_port(80);
    seen.id.tuple.remote.set_port(50_000);
    bench.opened(&seen, at(1));
    for (side, bytes) in [(Side::Remote, request), (Side::Local, answer)] {
        bench.piece(&Piece { id: seen.id, side, ..piece(bytes) }, at(1));
    }
    let entry = bench.table.entry(&seen.id.tuple).unwrap();
    entry.view(&unwatched()).map(|view| (view.service, view.serves_webdav()))
}

#[test]
fn answer_of_an_internal_server_shows_that_it_serves_webdav() {
    let options = b"OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n".as_slice();
    let dav = b"HTTP/1.1 200 OK\r\nDAV: 1,2\r\n\r\n".as_slice();
    assert_eq!(asked_from_outside(options, dav), Some((Service::WebDav, true)));
    let none = b"HTTP/1.1 200 OK\r\nAllow: GET\r\n\r\n".as_slice();
    assert_eq!(asked_from_outside(options, none), None);
    let propfind = b"PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n".as_slice();
    let refused = b"HTTP/1.1 501 Unsupported method\r\n\r\n".as_slice();
    assert_eq!(asked_from_outside(propfind, refused), Some((Service::WebDav, false)));
}

#[test]
fn external_server_that_offers_webdav_for_options_is_nothing() {
    let mut bench = began();
    head(&mut bench, Side::Local, 1, b"OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(!bench.entry().is_read(), "the answer would show nothing");
    head(&mut bench, Side::Remote, 1, b"HTTP/1.1 200 OK\r\nDAV: 1,2\r\n\r\n");
    assert!(bench.entry().view(&unwatched()).is_none() && !bench.entry().is_read());
}

#[test]
fn smb_behind_http_is_read_as_smb() {
    let mut bench = began();
    head(&mut bench, Side::Local, 1, b"PROPFIND / HTTP/1.1\r\n\r\n");
    bench.message(Side::Local, 500, &logon("alice", 1), at(1));
    let view = bench.view();
    assert_eq!(view.facts.unwrap().credentials[0].user.as_deref(), Some("alice"));
}

#[test]
fn what_a_web_server_sends_is_no_request() {
    let mut bench = Bench::new();
    // The internal end has the higher port, as clients do. Its SYN was not seen.
    let marks = mark::HTTP | mark::SERVER_IS_LOCAL;
    bench.opened(&Observation { marks, ..seen([tcp::ACK; 2], [1, 2], at(1)) }, at(1));
    head(&mut bench, Side::Remote, 1, b"PROPFIND /share HTTP/1.1\r\nHost: h\r\n\r\n");
    head(&mut bench, Side::Local, 1, b"HTTP/1.1 207 Multi-Status\r\n\r\n");
    assert!(bench.entry().view(&unwatched()).is_none());
}

#[test]
fn head_that_cannot_be_read_is_said() {
    let mut bench = began();
    head(&mut bench, Side::Local, 1, b"PROPFIND /share HTTP/1.1\r\nHost: h\r\n\r\n");
    head(&mut bench, Side::Remote, 1, b"HTTP/1.1 207 Multi-Status\r\n\r\n");
    assert!(bench.entry().view(&unwatched()).unwrap().complete);
    let many = format!("PROPFIND / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(300));
    head(&mut bench, Side::Local, 100, many.as_bytes());
    assert!(!bench.entry().view(&unwatched()).unwrap().complete);
}
