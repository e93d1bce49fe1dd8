//! Clients that keep connections open, and clients without permission.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use sensor_lab::{Topology, require_lab, scratch_dir};
use sensor_tests::Agent;

use crate::{
    CONFIG,
    http::{connect, get, get_with},
};

/// More connections than the agent keeps.
const MANY: usize = 100;

/// Time in which the agent gives up on the head of a request; half of the time of a connection, however it is used.
const GIVEN_UP: Duration = Duration::from_secs(30);

/// Half a head.
const BEGINNING: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: ";

#[test]
fn slow_clients_keep_nobody_else_from_an_answer() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0").config(CONFIG).start().unwrap();
    let mut slow: Vec<TcpStream> = (0..MANY).map(|_| connect(gateway).unwrap()).collect();
    for stream in &mut slow {
        // Those that had to make room are closed already.
        let _ = stream.write_all(BEGINNING);
    }
    let mut last = connect(gateway).unwrap();
    last.write_all(BEGINNING).unwrap();
    assert_eq!(get(gateway, "/healthz").unwrap().status, 200);
    last.set_nonblocking(true).unwrap();
    let open = last.read(&mut [0]).unwrap_err();
    assert_eq!(open.kind(), ErrorKind::WouldBlock, "the answer came when the slow clients were given up");
    last.set_nonblocking(false).unwrap();
    last.set_read_timeout(Some(GIVEN_UP)).unwrap();
    let mut rest = Vec::new();
    let end = last.read_to_end(&mut rest).map_err(|error| error.kind());
    let is_waited_for = matches!(end, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(!is_waited_for, "half a head is waited for");
    agent.stop().unwrap();
}

#[test]
fn too_long_heads_and_other_methods_are_refused() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0").config(CONFIG).start().unwrap();
    let long = format!("X-Long: {}\r\n", "a".repeat(20 * 1024));
    let many: String = (0..70).map(|number| format!("X-{number}: a\r\n")).collect();
    for fields in [long, many] {
        let refused = get_with(gateway, "/metrics", &fields).unwrap();
        assert_eq!(refused.status, 431);
        assert!(refused.body.contains("at most 16384 bytes and 64 fields"), "{}", refused.body);
    }
    let endless = format!("X-Long: {}\r\n", "a".repeat(90 * 1024));
    assert_eq!(get_with(gateway, "/metrics", &endless).unwrap().status, 431);
    let two = get_with(gateway, "/metrics", "Host: 127.0.0.1\r\n").unwrap();
    assert_eq!((two.status, two.body.as_str()), (400, "a request has one Host field at most\n"));
    let mut stream = connect(gateway).unwrap();
    write!(stream, "POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000000\r\n\r\n")
        .unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert!(answer.ends_with("this page takes no request of this method\n"), "{answer}");
    assert_eq!(get(gateway, "/metrics/../etc").unwrap().status, 404);
    agent.stop().unwrap();
}

#[test]
fn only_those_who_have_the_token_are_answered() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let scratch = scratch_dir().unwrap();
    let token = scratch.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let config = format!("[http]\nlisten = \"0.0.0.0:9645\"\ntoken_file = {token:?}\n");
    let agent = Agent::on(gateway, "lan0").config(&config).start().unwrap();
    for path in ["/", "/metrics", "/healthz", "/readyz", "/none"] {
        let refused = get(gateway, path).unwrap();
        assert_eq!(refused.status, 401, "{path}: {}", refused.body);
        assert!(refused.head.contains("www-authenticate: basic"), "{}", refused.head);
    }
    let wrong = get_with(gateway, "/metrics", "Authorization: Bearer s3cre\r\n").unwrap();
    assert_eq!(wrong.status, 401);
    let right = get_with(gateway, "/healthz", "Authorization: Bearer s3cret\r\n").unwrap();
    assert_eq!(right.status, 200, "{}", right.body);
    let ended = agent.stop().unwrap();
    assert!(!ended.log.contains("s3cret"), "{}", ended.log);
}

#[test]
fn page_of_another_name_is_not_answered() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0").config(CONFIG).start().unwrap();
    let mut stream = connect(gateway).unwrap();
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: rebound.example:9645\r\n\r\n").unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 421");
    agent.stop().unwrap();
}
