//! The socket, without an agent behind it.

use super::*;
use crate::control::ask;

async fn asked(directory: &Path, request: Request) -> Answer {
    let directory = directory.to_owned();
    tokio::task::spawn_blocking(move || ask(&directory, &request)).await.unwrap().unwrap()
}

#[tokio::test]
async fn answers_a_request_and_removes_the_socket_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut control = Control::listen(directory.path(), &Supervisor::default()).unwrap();
    let client = tokio::spawn({
        let path = directory.path().to_owned();
        async move { asked(&path, Request::EnforcementOff).await }
    });
    let request = control.next().await.unwrap();
    assert_eq!(*request.request, Request::EnforcementOff);
    request.answer(true, "off");
    assert_eq!(client.await.unwrap(), Answer { text: "off".into(), done: true });
    assert!(Control::listen(directory.path(), &Supervisor::default()).is_err(), "one agent to a directory");
    drop(control);
    assert!(!socket(directory.path()).exists());
    assert!(ask(directory.path(), &Request::EnforcementStatus).is_err());
}

#[tokio::test]
async fn skips_late_requests_unless_they_let_packets_pass() {
    let directory = tempfile::tempdir().unwrap();
    let mut control = Control::listen(directory.path(), &Supervisor::default()).unwrap();
    let late = |request| {
        let path = socket(directory.path());
        tokio::task::spawn_blocking(move || {
            use std::io::{Read as _, Write as _};
            let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
            let mut text = serde_json::to_string(&Envelope { request, before: 1 }).unwrap();
            text.push('\n');
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    };
    let answer = late(Request::EnforcementOn { seconds: None }).await.unwrap();
    assert!(answer.contains("too late"), "{answer}");
    let off = late(Request::EnforcementOff);
    let asked = control.next().await.unwrap();
    assert_eq!(*asked.request, Request::EnforcementOff);
    asked.answer(true, "off");
    assert!(off.await.unwrap().contains("true"));
}

#[tokio::test]
async fn refuses_an_invalid_request_and_replaces_a_stale_socket() {
    let directory = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(socket(directory.path())).unwrap());
    let _control = Control::listen(directory.path(), &Supervisor::default()).unwrap();
    let path = socket(directory.path());
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        stream.write_all(b"{\"ask\":\"nonsense\"}\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    assert!(answer.await.unwrap().contains("not a request"));
}

#[tokio::test]
async fn drops_a_result_without_a_client_unless_it_lets_packets_pass() {
    let directory = tempfile::tempdir().unwrap();
    let mut control = Control::listen(directory.path(), &Supervisor::default()).unwrap();
    for request in [Request::EnforcementOn { seconds: None }, Request::EnforcementOff] {
        let answer = asked(directory.path(), request).await;
        assert!(!answer.done && answer.text.contains("busy"), "{answer:?}");
    }
    assert_eq!(*control.next().await.unwrap().request, Request::EnforcementOff);
}
