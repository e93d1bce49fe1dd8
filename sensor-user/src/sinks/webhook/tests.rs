use super::*;
use crate::{
    ecs::Brief,
    sinks::{
        http::server::{Act, start},
        tests::fixture,
    },
};

fn document() -> DocumentRow {
    let brief = Brief { message: Some("m".to_owned()), ..Brief::default() };
    DocumentRow { brief: brief.to_bytes(), ..fixture(1, "{\"message\":\"m\"}") }
}

fn options(url: String) -> WebhookOptions {
    WebhookOptions {
        url: WebhookUrl::Plain(url),
        template: None,
        content_type: "application/json".to_owned(),
        headers: vec![],
        signature: None,
        tls: TlsOptions::default(),
        timeout: Duration::from_secs(10),
    }
}

#[test]
fn body_follows_the_template_and_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let secret = |name: &str, text: &str| SecretSource::File(write(name, text));
    let (address, requests) = start(vec![Act::Answer("204 No Content", String::new())]);
    let mut sink = Webhook::new(&WebhookOptions {
        url: WebhookUrl::Secret(secret("url", &format!("http://{address}/hook/T0KEN\n"))),
        template: Some(write("body.j2", "{\"text\": {{ message }}}")),
        headers: vec![("X-Token".to_owned(), secret("token", "t0ken"))],
        signature: Some(("X-Signature-256".to_owned(), secret("key", "k3y"))),
        ..options(String::new())
    })
    .unwrap();
    assert_eq!(sink.deliver(&[document(), document()]).settled, 1, "one at a time");
    let request = requests.recv().unwrap();
    assert_eq!(request.body, "{\"text\": \"m\"}");
    // printf '{"text": "m"}' | openssl dgst -sha256 -hmac k3y
    let signature =
        "x-signature-256: sha256=885aa78557ba0e53e995836edeeb8f2f2cc0cb3a045ecb524966842a2156d9ec";
    for line in ["POST /hook/T0KEN HTTP/1.1", "x-token: t0ken", "idempotency-key: a-1", signature] {
        assert!(request.head.lines().any(|one| one == line), "{line}: {}", request.head);
    }
}

#[test]
fn each_status_has_its_consequence() {
    let statuses = [
        ("200 OK", 1, false),
        ("301 Moved Permanently\r\nLocation: http://127.0.0.1:1/", 0, false),
        ("400 Bad Request", 1, true),
        ("401 Unauthorized", 0, false),
        ("403 Forbidden", 0, false),
        ("404 Not Found", 0, false),
        ("413 Content Too Large", 1, true),
        ("422 Unprocessable Content", 1, true),
        ("429 Too Many Requests", 0, false),
        ("500 Internal Server Error", 0, false),
        ("503 Service Unavailable", 0, false),
    ];
    let acts = statuses.map(|(status, ..)| Act::Answer(status, "said".to_owned())).into();
    let (address, _requests) = start(acts);
    let mut sink = Webhook::new(&options(format!("http://{address}"))).unwrap();
    for (status, settled, is_refused) in statuses {
        let delivery = sink.deliver(&[document()]);
        let said = |reason: &str| reason.contains(&status[..3]) && reason.ends_with("said");
        assert_eq!(delivery.settled, settled, "{status}");
        assert_eq!(delivery.refused.iter().any(|(_, reason)| said(reason)), is_refused, "{status}");
        assert_eq!(delivery.failure.is_some_and(|one| said(&one.reason)), settled == 0, "{status}");
    }
}

#[test]
fn address_that_is_a_secret_is_in_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for url in [format!("http://{address}/T0KEN"), "ftp://example/T0KEN".to_owned()] {
        std::fs::write(&path, url).unwrap();
        let url = WebhookUrl::Secret(SecretSource::File(path.clone()));
        let said = match Webhook::new(&WebhookOptions { url, ..options(String::new()) }) {
            Ok(mut sink) => sink.deliver(&[document()]).failure.unwrap().reason,
            Err(error) => error.to_string(),
        };
        assert!(!said.contains("T0KEN"), "{said}");
    }
}
