use serde_json::{Value, json};

use sensor_core::level::Severity;

use super::*;
use crate::{
    sinks::{
        http::server::{Act, Request, start},
        tests::{Stage, incidents, output},
    },
    storage::DocumentKind,
};

fn documents(count: u64) -> Vec<DocumentRow> {
    let document = |sequence| DocumentRow {
        sequence,
        id: format!("{sequence}-1"),
        kind: DocumentKind::Incident,
        severity: Some(Severity::High),
        at: 0,
        body: "{}".to_owned(),
        brief: Vec::new(),
    };
    (1..=count).map(document).collect()
}

fn results(statuses: &[u16]) -> Act {
    let item = |status: &u16| match status {
        400.. => {
            json!({ "create": { "status": status, "error": { "type": "exception", "reason": "said" } } })
        }
        _ => json!({ "create": { "status": status } }),
    };
    let items: Vec<_> = statuses.iter().map(item).collect();
    let has_errors = statuses.iter().any(|status| *status >= 400);
    Act::Answer("200 OK", json!({ "errors": has_errors, "items": items }).to_string())
}

/// The identifiers of the documents of a request.
fn identifiers(request: &Request) -> Vec<String> {
    let action = |line| serde_json::from_str::<Value>(line).unwrap();
    let id = |line| action(line)["create"]["_id"].as_str().unwrap().to_owned();
    request.body.lines().step_by(2).map(id).collect()
}

fn sink(url: String, credentials: Option<Credentials>) -> Elasticsearch {
    let timeout = Duration::from_millis(500);
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, rcgen::generate_simple_self_signed([]).unwrap().cert.pem()).unwrap();
    let tls = TlsOptions { ca_file: Some(ca_file), client: None };
    Elasticsearch::new(&ElasticsearchOptions { url, credentials, tls, timeout }).unwrap()
}

#[test]
fn documents_are_sent_with_the_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "s3cret\n").unwrap();
    let secret = SecretSource::File(file);
    for (credentials, field) in [
        (Credentials::ApiKey(secret.clone()), "authorization: ApiKey s3cret"),
        (Credentials::Basic("sensor".to_owned(), secret), "authorization: Basic c2Vuc29yOnMzY3JldA=="),
    ] {
        let (address, requests) = start(vec![results(&[201, 409])]);
        let mut sink = sink(format!("http://{address}/es/"), Some(credentials));
        let delivery = sink.deliver(&documents(2));
        assert_eq!(delivery, Delivery { settled: 2, ..Delivery::default() });
        let request = requests.recv().unwrap();
        assert!(request.head.starts_with("POST /es/_bulk HTTP/1.1\r\n"), "{}", request.head);
        assert!(request.head.contains(field), "{}", request.head);
        assert_eq!(request.body.lines().count(), 4);
    }
}

#[test]
fn busy_slow_and_broken_servers_get_the_documents_again() {
    let (address, _requests) = start(vec![
        Act::Answer("429 Too Many Requests\r\nRetry-After: 7", "{}".to_owned()),
        Act::Answer("503 Service Unavailable", String::new()),
        Act::Answer("401 Unauthorized", String::new()),
        Act::Hang(Duration::from_secs(2)),
        Act::Reset,
        results(&[201, 201]),
    ]);
    let mut sink = sink(format!("http://{address}/S3CRET"), None);
    let waits = [Some(Duration::from_secs(7)), None, None, None, None];
    for (number, retry_after) in waits.into_iter().enumerate() {
        let delivery = sink.deliver(&documents(2));
        let failure = delivery.failure.unwrap_or_else(|| panic!("try {number}"));
        assert_eq!((delivery.settled, failure.retry_after), (0, retry_after), "try {number}: {failure:?}");
        assert!(!failure.reason.contains("S3CRET"), "{failure:?}");
    }
    assert_eq!(sink.deliver(&documents(2)).settled, 2);
}

#[test]
fn documents_behind_a_failed_one_are_sent_again_and_a_refused_one_is_set_aside() {
    // The last one is there already when it is sent again.
    let (address, requests) = start(vec![results(&[201, 400, 503, 201]), results(&[201, 409])]);
    let stage = Stage::new([]);
    let run = stage.run_into(&output("siem"), Box::new(sink(format!("http://{address}"), None)));
    run.submit(incidents(1..=4));
    let status = run.settle();
    run.end();
    assert_eq!((status.written, status.refused, status.errors, status.waiting), (3, 1, 1, 0));
    let sent: Vec<_> = requests.try_iter().map(|request| identifiers(&request)).collect();
    assert_eq!(sent, [vec!["1", "2", "3", "4"], vec!["3", "4"]]);
    let set_aside = std::fs::read_to_string(stage.folder.path().join("refused-siem.jsonl")).unwrap();
    let expected = "\"reason\":\"status 400: exception: said\",\"document\":{\"n\":2}}\n";
    assert!(set_aside.ends_with(expected) && set_aside.lines().count() == 1, "{set_aside}");
}

#[test]
fn request_that_is_too_large_is_split_down_to_the_document_that_is() {
    let large = || Act::Answer("413 Content Too Large", String::new());
    let (address, requests) = start(vec![large(), results(&[201]), large(), results(&[201])]);
    let mut sink = sink(format!("http://{address}"), None);
    let all = documents(3);
    assert_eq!(sink.deliver(&all), Delivery::default());
    assert_eq!(sink.deliver(&all).settled, 1);
    let refused = sink.deliver(&all[1..2]);
    assert!(matches!(&refused.refused[..], [(0, reason)] if reason.contains("413")), "{refused:?}");
    assert_eq!(sink.deliver(&all[2..]).settled, 1);
    let lines: Vec<_> = requests.iter().take(4).map(|request| request.body.lines().count() / 2).collect();
    assert_eq!(lines, [3, 1, 1, 1]);
}

#[test]
fn server_that_does_not_answer_is_a_failure() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let delivery = sink(format!("http://{address}"), None).deliver(&documents(1));
    assert!(delivery.failure.unwrap().reason.contains("refused"));
}

#[test]
fn server_with_another_certificate_gets_nothing() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (address, server) = crate::sinks::tls::server::start(made, |_| ());
    let delivery = sink(format!("https://localhost:{}", address.port()), None).deliver(&documents(1));
    let reason = delivery.failure.unwrap().reason;
    assert!(reason.contains("certificate"), "{reason}");
    assert!(server.join().unwrap().is_none(), "no byte of the request arrived");
}
