//! A replay of captures of the same traffic gives the same reports as the running sensor.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
};

use sensor_common::slot::tcp;
use sensor_lab::scratch_dir;
use sensor_tests::{Frame, finds, privileged, replayed, scenario::Tape, text, texts};
use sensor_user::{config::Config, replay::EngineChoice};
use serde_json::Value;

use crate::{GIVEN_AWAY, RULE};

/// The documents of a capture, the same from both engines.
fn documents(test: &str, name: &str) -> Vec<Value> {
    documents_of(test, &Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/webdav").join(name))
}

fn documents_of(test: &str, path: &Path) -> Vec<Value> {
    let host = replayed(path, EngineChoice::Host, &Config::default()).unwrap();
    if privileged(test) {
        let kernel = replayed(path, EngineChoice::Kernel, &Config::default()).unwrap();
        assert_eq!(host.documents, kernel.documents);
    }
    host.documents
}

#[test]
fn log_on_of_a_capture_is_reported_like_a_live_one() {
    for (name, severity, outcome) in
        [("ntlm-accepted.pcap", "critical", "accepted"), ("ntlm-refused.pcap", "high", "refused")]
    {
        let documents = documents("log_on_of_a_capture_is_reported_like_a_live_one", name);
        let incident = documents.iter().rfind(|document| finds(document, GIVEN_AWAY)).unwrap();
        assert!(finds(incident, RULE), "{incident:#}");
        assert_eq!(text(incident, "/smb_sensor/incident/severity"), severity);
        assert_eq!(text(&incident["smb_sensor"]["credentials"][0], "/outcome"), outcome);
        assert_eq!(texts(incident, "/threat/technique/id"), ["T1071", "T1187"]);
    }
}

#[test]
fn options_of_a_browser_in_a_capture_are_nothing() {
    let documents = documents("options_of_a_browser_in_a_capture_are_nothing", "cors.pcap");
    assert!(documents.is_empty(), "{documents:#?}");
}

/// A request of a stranger to a server inside, and its answer.
fn asked(test: &str, request: &str, answer: &str) -> Vec<Value> {
    let client = SocketAddrV4::new(Ipv4Addr::new(8, 8, 4, 4), 50_000);
    let server = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
    let mut tape = Tape::default();
    tape.segment(client, server, tcp::SYN, (1_000, 0));
    tape.segment(server, client, tcp::SYN | tcp::ACK, (5_000, 1_001));
    tape.segment(client, server, tcp::ACK, (1_001, 5_001));
    let head = |text: &str| format!("{text}\r\nX-Filling: {}\r\n\r\n", "x".repeat(40)).into_bytes();
    let (request, answer) = (head(request), head(answer));
    let (asked, answered) = (1_001 + request.len() as u32, 5_001 + answer.len() as u32);
    let data = |from: SocketAddrV4, to: SocketAddrV4, sequence, bytes: &[u8]| {
        Frame::tcp(&from.to_string(), &to.to_string()).flags(tcp::ACK).sequence(sequence).payload(bytes)
    };
    tape.send(&data(client, server, 1_001, &request), 5_001);
    tape.send(&data(server, client, 5_001, &answer), asked);
    tape.segment(client, server, tcp::ACK | tcp::FIN, (asked, answered));
    tape.segment(server, client, tcp::ACK | tcp::FIN, (answered, asked + 1));
    let scratch = scratch_dir().unwrap();
    let path = scratch.path().join("asked.pcap");
    fs::write(&path, tape.pcap()).unwrap();
    documents_of(test, &path)
}

#[test]
fn answer_of_an_internal_server_is_judged_alike_by_both_engines() {
    const TEST: &str = "answer_of_an_internal_server_is_judged_alike_by_both_engines";
    let browser = "OPTIONS / HTTP/1.1\r\nOrigin: http://app.example";
    for (request, answer, fact) in [
        ("PROPFIND / HTTP/1.1", "HTTP/1.1 207 Multi-Status", Some(" with WebDAV, without a log-on")),
        ("PROPFIND / HTTP/1.1", "HTTP/1.1 401 X\r\nWWW-Authenticate: Basic", Some(" with WebDAV")),
        ("OPTIONS / HTTP/1.1", "HTTP/1.1 200 OK\r\nDAV: 1,2", Some(" with WebDAV")),
        ("OPTIONS / HTTP/1.1", "HTTP/1.1 200 OK\r\nAllow: GET, PROPFIND", None),
        ("PROPFIND / HTTP/1.1", "HTTP/1.1 405 Method Not Allowed", None),
        (browser, "HTTP/1.1 200 OK\r\nDAV: 1,2", None),
    ] {
        let documents = asked(TEST, request, answer);
        let alerts: Vec<_> = documents.iter().filter(|one| text(one, "/event/kind") == "alert").collect();
        let facts: Vec<_> =
            alerts.iter().map(|one| text(&one["smb_sensor"]["findings"][0], "/fact")).collect();
        let expected = fact.map(|how| format!("TCP 80 of 10.0.0.2 answered 8.8.4.4{how}"));
        assert_eq!(facts, expected.into_iter().collect::<Vec<_>>(), "{request}: {answer}");
        assert!(alerts.iter().all(|one| text(one, "/smb_sensor/incident/severity") == "medium"));
        let is_incident = |one: &Value| one.pointer("/smb_sensor/incident").is_some();
        assert!(fact.is_some() || !documents.iter().any(is_incident), "{documents:#?}");
    }
}
