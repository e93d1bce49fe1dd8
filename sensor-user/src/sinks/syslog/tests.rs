use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::Path,
    thread::{self, JoinHandle},
    time::Duration,
};

use sensor_core::level::Severity;

use super::*;
use crate::{ecs::Brief, storage::DocumentKind};

fn document(sequence: u64) -> DocumentRow {
    DocumentRow {
        sequence,
        id: format!("a-{sequence}"),
        kind: DocumentKind::Incident,
        severity: Some(Severity::High),
        at: 0,
        body: format!("{{\"n\":{sequence}}}"),
        brief: Vec::new(),
    }
}

fn syslog(server: impl ToString, transport: Transport) -> Syslog {
    syslog_of(Body::Json, server, transport)
}

fn syslog_of(body: Body, server: impl ToString, transport: Transport) -> Syslog {
    Syslog::new(&SyslogOptions { server: server.to_string(), transport, body, facility: 16 }).unwrap()
}

/// Reads messages with counted octets until the client closes, or so many.
fn messages(stream: impl Read, most: usize) -> Vec<String> {
    let mut stream = BufReader::new(stream);
    let mut all = vec![];
    while all.len() < most {
        let mut count = vec![];
        stream.read_until(b' ', &mut count).unwrap();
        let Ok(count) = String::from_utf8(count).unwrap().trim().parse() else { break };
        let mut message = vec![0; count];
        stream.read_exact(&mut message).unwrap();
        all.push(String::from_utf8(message).unwrap());
    }
    all
}

fn ends_with(message: &str, sequence: u64) -> bool {
    message.starts_with("<131>1 1970-01-01T00:00:00.000Z ")
        && message.ends_with(&format!(" incident - {{\"n\":{sequence}}}"))
}

#[test]
fn datagram_holds_one_message_and_too_large_ones_are_refused() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut sink = syslog(server.local_addr().unwrap(), Transport::Udp);
    let large = DocumentRow { body: "x".repeat(70_000), ..document(2) };
    let delivery = sink.deliver(&[document(1), large, document(3)]);
    assert_eq!((delivery.settled, delivery.failure), (3, None));
    assert!(matches!(&delivery.refused[..], [(1, reason)] if reason.contains("datagram")));
    for sequence in [1, 3] {
        let mut buffer = [0; 1_000];
        let count = server.recv(&mut buffer).unwrap();
        let message = std::str::from_utf8(&buffer[..count]).unwrap();
        assert!(ends_with(message, sequence), "{message}");
    }
}

#[test]
fn datagram_holds_an_event_of_the_common_event_format() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut sink = syslog_of(Body::Cef, server.local_addr().unwrap(), Transport::Udp);
    let brief = Brief { message: Some("a = b".to_owned()), version: "1".to_owned(), ..Brief::default() };
    let delivery = sink.deliver(&[DocumentRow { brief: brief.to_bytes(), ..document(1) }]);
    assert_eq!(delivery, Delivery { settled: 1, ..Delivery::default() });
    let mut buffer = [0; 1_000];
    let count = server.recv(&mut buffer).unwrap();
    let message = std::str::from_utf8(&buffer[..count]).unwrap();
    assert!(message.starts_with("<131>1 1970-01-01T00:00:00.000Z "), "{message}");
    let event =
        " incident - CEF:0|smb-sensor|smb-sensor|1|incident|Incident|8|rt=0 externalId=a-1 msg=a \\= b";
    assert!(message.ends_with(event), "{message}");
}

#[test]
fn messages_over_tcp_are_counted_and_go_on_after_a_close() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sink = syslog(listener.local_addr().unwrap(), Transport::Tcp);
    let server = thread::spawn(move || {
        let first = messages(listener.accept().unwrap().0, 2);
        // The first connection is closed here.
        (first, messages(listener.accept().unwrap().0, 1))
    });
    let first = sink.deliver(&[document(1), document(2)]);
    // The close may be noticed at once or with the next document; what is unsure is sent again.
    let again = if first.settled == 0 { vec![document(1)] } else { vec![document(3)] };
    let mut tries = 0;
    while !server.is_finished() && tries < 1_000 {
        sink.deliver(&again);
        tries += 1;
        thread::sleep(Duration::from_millis(5));
    }
    let (first, second) = server.join().unwrap();
    assert!(ends_with(&first[0], 1) && ends_with(&first[1], 2), "{first:?}");
    assert!(ends_with(&second[0], again[0].sequence), "{second:?}");
}

#[test]
fn server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let delivery = syslog(address, Transport::Tcp).deliver(&[document(1)]);
    assert_eq!(delivery.settled, 0);
    assert!(delivery.failure.unwrap().reason.starts_with(&format!("{address}: ")));
}

/// A server with a certificate for this name, whose authority is written to a file; it reads one message.
fn tls_server(name: &str, ca_file: &Path) -> (SocketAddr, JoinHandle<Option<String>>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(ca_file, made.cert.pem()).unwrap();
    tls::server::start(made, |stream| messages(stream, 1).remove(0))
}

#[test]
fn tls_delivers_to_the_server_that_the_authority_names() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let (address, server) = tls_server("localhost", &ca_file);
    let options = TlsOptions { ca_file: Some(ca_file), client: None };
    let mut sink = syslog(format!("localhost:{}", address.port()), Transport::Tls(options));
    sink.deliver(&[document(1)]);
    assert!(ends_with(&server.join().unwrap().unwrap(), 1));
}

#[test]
fn tls_sends_nothing_to_a_server_with_another_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let [theirs, ours] = ["theirs.pem", "ours.pem"].map(|name| folder.path().join(name));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (name, authority) in [("elsewhere.example", &theirs), ("localhost", &ours)] {
        let (address, server) = tls_server(name, &theirs);
        std::fs::write(&ours, other.cert.pem()).unwrap();
        let options = TlsOptions { ca_file: Some(authority.clone()), client: None };
        let delivery =
            syslog(format!("localhost:{}", address.port()), Transport::Tls(options)).deliver(&[document(1)]);
        assert_eq!(delivery.settled, 0, "{name}");
        let reason = delivery.failure.unwrap().reason;
        assert!(reason.contains("certificate"), "{name}: {reason}");
        assert_eq!(server.join().unwrap(), None, "{name}");
    }
}

#[test]
fn unreadable_authorities_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, "nothing\n").unwrap();
    let transport = Transport::Tls(TlsOptions { ca_file: Some(ca_file), client: None });
    let options =
        SyslogOptions { server: "localhost:1".to_owned(), transport, body: Body::Json, facility: 16 };
    let error = Syslog::new(&options).err().unwrap().to_string();
    assert!(error.contains("ca.pem: it has no certificate"), "{error}");
}
