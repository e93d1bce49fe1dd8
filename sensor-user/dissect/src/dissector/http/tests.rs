use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::*;
use crate::{
    FingerprintKey, Framing,
    facts::{Outcome, WebDavEvidence},
};

/// NEGOTIATE, and CHALLENGE of a server without names, in base64.
const NEGOTIATE: &str = "TlRMTVNTUAABAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAA=";
const CHALLENGE: &str = "TlRMTVNTUAACAAAAAgACADgAAAABAAAAAQIDBAUGBwgAAAAAAAAAAAAAAAA6AAAACgBhSgAAAA9EAA==";

/// AUTHENTICATE of `u` with a response of version 1.
fn response() -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let fields: [&[u8]; 5] = [&[0; 24], &[7; 24], b"D\0", b"u\0", b"W\0"];
    let mut payload: Vec<u8> = Vec::new();
    for field in fields {
        let length = (field.len() as u16).to_le_bytes();
        message.extend([length, length].concat());
        message.extend((64 + payload.len() as u32).to_le_bytes());
        payload.extend(field);
    }
    message.extend([0; 8]);
    message.extend(1u32.to_le_bytes());
    message.extend(payload);
    message
}

/// The same in base64.
fn authenticate() -> String {
    BASE64_STANDARD.encode(response())
}

/// An element with a short length (X.690 8.1).
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 0x80, "{} bytes need a long length", content.len());
    [&[tag, content.len() as u8][..], content].concat()
}

/// NegTokenInit that offers NTLM, in the frame of GSS-API (RFC 4178 4.2.1, RFC 2743 3.1).
fn first_in_spnego(message: &[u8]) -> Vec<u8> {
    let offered = element(0xA0, &element(0x30, &element(6, b"\x2B\x06\x01\x04\x01\x82\x37\x02\x02\x0A")));
    let fields = [offered, element(0xA2, &element(4, message))].concat();
    let choice = element(0xA0, &element(0x30, &fields));
    element(0x60, &[element(6, b"\x2B\x06\x01\x05\x05\x02"), choice].concat())
}

/// NegTokenResp with a token alone (RFC 4178 4.2.2).
fn later_in_spnego(message: &[u8]) -> Vec<u8> {
    element(0xA1, &element(0x30, &element(0xA2, &element(4, message))))
}

fn reader() -> Dissector {
    Dissector::new(FingerprintKey::new([7; 32]), Framing::Http)
}

fn asks(dissector: &mut Dissector, line: &str, fields: &str) -> Vec<New> {
    let head = format!("{line} /share HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let reading = dissector.message(Sender::Client, head.as_bytes());
    assert_eq!(reading.problem, None);
    reading.new
}

fn answers(dissector: &mut Dissector, status: u16, fields: &str) {
    let head = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
    assert_eq!(dissector.message(Sender::Server, head.as_bytes()).problem, None);
}

/// A log-on that is answered with this status.
fn log_on(status: u16) -> Dissector {
    let mut dissector = reader();
    asks(&mut dissector, "PROPFIND", &format!("Authorization: NTLM {NEGOTIATE}\r\n"));
    answers(&mut dissector, 401, &format!("WWW-Authenticate: NTLM {CHALLENGE}\r\n"));
    assert_eq!(
        (dissector.facts().server.target.as_deref(), dissector.facts().logons_refused),
        (Some("D"), 0)
    );
    let token = format!("Authorization: NTLM {}\r\n", authenticate());
    assert!(asks(&mut dissector, "PROPFIND", &token).contains(&New::Credential(0)));
    answers(&mut dissector, status, "");
    dissector
}

#[test]
fn status_behind_a_response_is_its_outcome() {
    for (status, outcome) in [
        (401, Some(Outcome::Refused(Status::Http(401)))),
        (200, Some(Outcome::Accepted)),
        (207, Some(Outcome::Accepted)),
        (302, None),
        (500, None),
    ] {
        let dissector = log_on(status);
        let credential = &dissector.facts().credentials[0];
        assert_eq!((credential.user.as_deref(), credential.outcome), (Some("u"), outcome), "{status}");
        assert!(credential.fingerprint.is_some());
        assert_eq!(dissector.facts().session(), matches!(outcome, Some(Outcome::Accepted)), "{status}");
    }
}

#[test]
fn negotiate_carries_a_log_on_bare_and_in_spnego() {
    let [negotiate, challenge] = [NEGOTIATE, CHALLENGE].map(|token| BASE64_STANDARD.decode(token).unwrap());
    let in_spnego = [first_in_spnego(&negotiate), later_in_spnego(&challenge), later_in_spnego(&response())];
    for tokens in [[negotiate, challenge, response()], in_spnego] {
        let [first, second, third] = tokens.map(|token| BASE64_STANDARD.encode(token));
        let mut dissector = reader();
        asks(&mut dissector, "PROPFIND", &format!("Authorization: Negotiate {first}\r\n"));
        answers(&mut dissector, 401, &format!("WWW-Authenticate: Negotiate {second}\r\n"));
        assert_eq!(dissector.facts().server.target.as_deref(), Some("D"), "{second}");
        let new = asks(&mut dissector, "PROPFIND", &format!("Authorization: Negotiate {third}\r\n"));
        assert!(new.contains(&New::Credential(0)), "{third}: {new:?}");
        answers(&mut dissector, 207, "");
        let credential = &dissector.facts().credentials[0];
        let (user, domain) = (credential.user.as_deref(), credential.domain.as_deref());
        assert_eq!((user, domain, credential.outcome), (Some("u"), Some("D"), Some(Outcome::Accepted)));
        assert!(credential.fingerprint.is_some(), "{third}");
    }
}

#[test]
fn interim_answer_leaves_the_log_on_open_and_a_later_one_is_not_its_own() {
    let mut dissector = log_on(100);
    answers(&mut dissector, 401, "");
    assert_eq!(dissector.facts().logons_refused, 1);
    let mut dissector = log_on(500);
    answers(&mut dissector, 200, "");
    assert_eq!(dissector.facts().credentials[0].outcome, None);
}

#[test]
fn webdav_is_shown_by_method_program_or_token() {
    let shown = |line: &str, fields: &str| {
        let mut dissector = reader();
        let new = asks(&mut dissector, line, fields);
        let evidence = dissector.facts().webdav.evidence;
        assert_eq!(new.contains(&New::WebDav), evidence.any());
        evidence
    };
    let none = WebDavEvidence::default();
    assert_eq!(shown("PROPFIND", ""), WebDavEvidence { method: true, ..none });
    let redirector = "User-Agent: Microsoft-WebDAV-MiniRedir/10.0.19045\r\n";
    assert_eq!(shown("OPTIONS", redirector), WebDavEvidence { redirector: true, ..none });
    let token = format!("Authorization: Negotiate {NEGOTIATE}\r\n");
    assert_eq!(shown("GET", &token), WebDavEvidence { token: true, ..none });
    let cors =
        "Origin: http://a.example\r\nAccess-Control-Request-Method: PUT\r\nUser-Agent: Mozilla/5.0\r\n";
    assert_eq!(shown("OPTIONS", cors), none);
}

/// What the server shows in its answer to one request.
fn served(line: &str, fields: &str, (status, answer): (u16, &str)) -> (bool, bool) {
    let mut dissector = reader();
    asks(&mut dissector, line, fields);
    assert_eq!(dissector.awaits_http(), line == "PROPFIND" || !fields.contains("Origin"));
    answers(&mut dissector, status, answer);
    let evidence = dissector.facts().webdav.evidence;
    assert!(!dissector.awaits_http());
    (evidence.served, evidence.anonymous)
}

#[test]
fn answer_shows_that_webdav_is_served() {
    let basic = "Authorization: Basic aGk=\r\n";
    let cookie = "Cookie: FedAuth=x\r\n";
    let challenge = "WWW-Authenticate: Basic realm=x\r\n";
    for (line, fields, answer, shown) in [
        ("PROPFIND", "", (207, ""), (true, true)),
        ("PROPFIND", basic, (207, ""), (true, false)),
        ("PROPFIND", cookie, (207, ""), (true, false)),
        ("PROPFIND", "", (401, challenge), (true, false)),
        ("PROPFIND", "", (403, "DAV: 1,2\r\n"), (true, false)),
        ("PROPFIND", "", (404, "MS-Author-Via: DAV\r\n"), (true, false)),
        ("OPTIONS", "", (200, "DAV: 1\r\n"), (true, false)),
        ("OPTIONS", "", (401, "DAV: 1\r\nWWW-Authenticate: Basic\r\n"), (true, false)),
    ] {
        assert_eq!(served(line, fields, answer), shown, "{line} {fields} {answer:?}");
    }
}

#[test]
fn answer_of_any_web_server_shows_nothing() {
    for status in [200, 204, 301, 400, 401, 403, 404, 405, 500, 501] {
        for line in ["PROPFIND", "OPTIONS"] {
            let allow = "Allow: GET, PROPFIND\r\nServer: x\r\n";
            assert_eq!(served(line, "", (status, allow)), (false, false), "{line} {status}");
        }
    }
    let origin = "Origin: http://a.example\r\n";
    assert_eq!(served("OPTIONS", origin, (200, "DAV: 1,2\r\n")), (false, false), "a page asks");
    let challenge = "WWW-Authenticate: Basic\r\n";
    assert_eq!(served("OPTIONS", "", (401, challenge)), (false, false), "each protected page has that");
    // Only what answers such a request counts.
    let mut dissector = reader();
    for line in ["GET", "PROPFIND", "GET"] {
        asks(&mut dissector, line, "");
    }
    for (status, field) in [(401, challenge), (404, ""), (401, challenge), (207, "DAV: 1\r\n")] {
        answers(&mut dissector, status, field);
    }
    assert!(!dissector.facts().webdav.evidence.served);
}

#[test]
fn client_that_answers_itself_shows_nothing() {
    let mut dissector = reader();
    asks(&mut dissector, "PROPFIND", "");
    let head = b"HTTP/1.1 207 Multi-Status\r\nDAV: 1\r\n\r\n";
    assert_eq!(dissector.message(Sender::Client, head).problem, None);
    let evidence = dissector.facts().webdav.evidence;
    assert!(!evidence.served && !evidence.answered);
}

#[test]
fn listing_behind_a_log_on_is_not_anonymous() {
    let mut dissector = log_on(207);
    asks(&mut dissector, "PROPFIND", "");
    answers(&mut dissector, 207, "");
    let evidence = dissector.facts().webdav.evidence;
    assert!(evidence.served && !evidence.anonymous);
}

#[test]
fn interim_answer_is_not_the_answer_to_a_request() {
    let mut dissector = reader();
    asks(&mut dissector, "PROPFIND", "Expect: 100-continue\r\n");
    answers(&mut dissector, 100, "");
    assert!(dissector.awaits_http());
    answers(&mut dissector, 207, "");
    assert!(dissector.facts().webdav.evidence.anonymous);
}

#[test]
fn server_cannot_send_a_response_of_the_client() {
    let mut dissector = reader();
    let head = format!("HTTP/1.1 401 X\r\nWWW-Authenticate: NTLM {}\r\n\r\n", authenticate());
    assert_eq!(dissector.message(Sender::Server, head.as_bytes()).problem, Some(Problem::Direction));
    assert!(dissector.facts().credentials.is_empty());
}

#[test]
fn requests_sent_together_are_answered_in_their_order() {
    let mut dissector = reader();
    asks(&mut dissector, "PROPFIND", "");
    asks(&mut dissector, "PROPFIND", &format!("Authorization: NTLM {}\r\n", authenticate()));
    answers(&mut dissector, 401, "");
    assert_eq!(dissector.facts().credentials[0].outcome, None, "the answer to the first one");
    answers(&mut dissector, 207, "");
    assert_eq!(dissector.facts().credentials[0].outcome, Some(Outcome::Accepted));
}

#[test]
fn token_must_be_one_of_a_log_on() {
    let mut dissector = reader();
    let head = b"OPTIONS / HTTP/1.1\r\nAuthorization: NTLM AAAABBBB\r\n\r\n";
    dissector.message(Sender::Client, head);
    assert!(!dissector.facts().webdav.evidence.any());
    dissector.message(Sender::Server, b"HTTP/1.1 401 X\r\nWWW-Authenticate: Negotiate AAAABBBB\r\n\r\n");
    assert!(!dissector.facts().webdav.evidence.any());
}
