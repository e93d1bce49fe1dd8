//! How each sink over HTTP handles each response.

use std::fs;

use super::{
    server::{Act, answer, read, start},
    *,
};
use crate::sinks::{
    Elasticsearch, ElasticsearchOptions, Otlp, OtlpOptions, Sink, Webhook, WebhookOptions, WebhookUrl,
    tests::fixture,
};

/// Makes a sink for the server at an address.
type Make = fn(&str, &TlsOptions) -> Box<dyn Sink>;

const SINKS: [Make; 3] = [elasticsearch, otlp, webhook];

const TIMEOUT: Duration = Duration::from_secs(1);

fn elasticsearch(url: &str, tls: &TlsOptions) -> Box<dyn Sink> {
    let (url, tls) = (url.to_owned(), tls.clone());
    let options = ElasticsearchOptions { url, credentials: None, tls, timeout: TIMEOUT };
    Box::new(Elasticsearch::new(&options).unwrap())
}

fn otlp(url: &str, tls: &TlsOptions) -> Box<dyn Sink> {
    let (url, tls) = (url.to_owned(), tls.clone());
    Box::new(Otlp::new(&OtlpOptions { url, headers: vec![], tls, timeout: TIMEOUT }).unwrap())
}

fn webhook(url: &str, tls: &TlsOptions) -> Box<dyn Sink> {
    let options = WebhookOptions {
        url: WebhookUrl::Plain(url.to_owned()),
        template: None,
        content_type: "application/json".to_owned(),
        headers: vec![],
        signature: None,
        tls: tls.clone(),
        timeout: TIMEOUT,
    };
    Box::new(Webhook::new(&options).unwrap())
}

/// One document.
fn deliver(sink: &mut dyn Sink) -> Delivery {
    sink.deliver(&[fixture(1, "{}")])
}

#[test]
fn every_sink_keeps_documents_after_answers_that_do_not_concern_them() {
    let answers = [
        "301 Moved Permanently\r\nRetry-After: 9",
        "401 Unauthorized\r\nRetry-After: 9",
        "403 Forbidden\r\nRetry-After: 9",
        "404 Not Found\r\nRetry-After: 9",
        "405 Method Not Allowed\r\nRetry-After: 9",
        "407 Proxy Authentication Required\r\nRetry-After: 9",
        "408 Request Timeout\r\nRetry-After: 9",
        "421 Misdirected Request\r\nRetry-After: 9",
        "425 Too Early\r\nRetry-After: 9",
        "429 Too Many Requests\r\nRetry-After: 9",
        "500 Internal Server Error\r\nRetry-After: 9",
        "503 Service Unavailable\r\nRetry-After: 9",
    ];
    for sink in SINKS {
        let (address, _requests) = start(answers.map(|head| Act::Answer(head, String::new())).into());
        let mut sink = sink(&format!("http://{address}"), &TlsOptions::default());
        for answer in answers {
            let delivery = deliver(&mut *sink);
            let failure = delivery.failure.unwrap_or_else(|| panic!("{answer}"));
            assert_eq!((delivery.settled, delivery.refused.len()), (0, 0), "{answer}");
            assert!(failure.reason.contains(&answer[..3]), "{failure:?}");
            assert_eq!(failure.retry_after, Some(Duration::from_secs(9)), "{answer}");
        }
    }
}

#[test]
fn every_sink_sets_aside_what_a_server_refuses_for_good() {
    let answers =
        ["400 Bad Request", "409 Conflict", "410 Gone", "413 Content Too Large", "422 Unprocessable"];
    for sink in SINKS {
        let (address, _requests) = start(answers.map(|head| Act::Answer(head, String::new())).into());
        let mut sink = sink(&format!("http://{address}"), &TlsOptions::default());
        for answer in answers {
            let delivery = deliver(&mut *sink);
            assert_eq!((delivery.settled, delivery.failure), (1, None), "{answer}");
            let is_named = |(index, reason): &(usize, String)| *index == 0 && reason.contains(&answer[..3]);
            assert!(delivery.refused.iter().all(is_named) && delivery.refused.len() == 1, "{answer}");
        }
    }
}

#[test]
fn every_sink_keeps_documents_that_a_server_does_not_answer() {
    for sink in SINKS {
        let acts = vec![Act::Hang(Duration::from_secs(2)), Act::Reset];
        let (address, _requests) = start(acts);
        let mut sink = sink(&format!("http://{address}/S3CRET"), &TlsOptions::default());
        for (act, words) in [
            ("hang", "gave no answer within"),
            ("reset", "gave no answer: "),
            ("nobody", "cannot be reached: Connection refused"),
        ] {
            let delivery = deliver(&mut *sink);
            assert_eq!((delivery.settled, delivery.refused.len()), (0, 0), "{act}");
            let reason = delivery.failure.unwrap_or_else(|| panic!("{act}")).reason;
            assert!(reason.starts_with(&address.to_string()) && reason.contains(words), "{act}: {reason}");
            assert!(!reason.contains("S3CRET"), "{act}: {reason}");
        }
    }
}

#[test]
fn every_sink_sends_nothing_to_a_server_with_another_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, rcgen::generate_simple_self_signed([]).unwrap().cert.pem()).unwrap();
    let tls = TlsOptions { ca_file: Some(ca_file), client: None };
    for sink in SINKS {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (address, server) = tls::server::start(made, |_| ());
        let delivery = deliver(&mut *sink(&format!("https://localhost:{}", address.port()), &tls));
        let reason = delivery.failure.unwrap().reason;
        assert!(delivery.settled == 0 && reason.contains("certificate"), "{reason}");
        assert!(server.join().unwrap().is_none(), "no byte of the request arrived");
    }
}

#[test]
fn every_sink_delivers_over_tls_and_with_a_certificate_if_the_server_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let [ca_file, certificate, key] = ["ca.pem", "own.pem", "own.key"].map(|name| folder.path().join(name));
    let own = rcgen::generate_simple_self_signed(["sensor".to_owned()]).unwrap();
    fs::write(&certificate, own.cert.pem()).unwrap();
    fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    for sink in SINKS {
        for (asks, has_one) in [(false, false), (true, true), (true, false)] {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(&ca_file, made.cert.pem()).unwrap();
            let (address, server) =
                tls::server::start_for(asks.then(|| own.cert.der()), made, |mut stream| {
                    let request = read(&mut stream);
                    // An answer for each sink.
                    answer(stream, "200 OK", "{\"items\":[{\"create\":{\"status\":201}}]}").unwrap();
                    request
                });
            let client = has_one.then(|| (certificate.clone(), key.clone()));
            let tls = TlsOptions { ca_file: Some(ca_file.clone()), client };
            let delivery = deliver(&mut *sink(&format!("https://localhost:{}", address.port()), &tls));
            let request = server.join().unwrap();
            let place = format!("asks: {asks}, has one: {has_one}: {delivery:?}");
            if asks && !has_one {
                assert!(delivery.settled == 0 && delivery.failure.is_some(), "{place}");
                assert!(request.is_none(), "{place}");
            } else {
                assert_eq!(delivery, Delivery { settled: 1, ..Delivery::default() }, "{place}");
                assert!(request.unwrap().head.starts_with("POST "), "{place}");
            }
        }
    }
}
