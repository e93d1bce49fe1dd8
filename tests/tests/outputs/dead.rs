//! A destination that cannot be reached at first, and later can.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::{Ipv4Addr, TcpListener},
    thread,
};

use sensor_lab::{Signal, Topology, require_lab, scratch_dir};
use sensor_tests::{Agent, text};
use serde_json::Value;

use super::converse;

#[test]
fn documents_of_the_time_without_a_server_are_sent_afterwards() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let config =
        "[[output]]\ntype = \"syslog\"\nserver = \"127.0.0.1:6514\"\n[[output]]\ntype = \"stdout\"\n";
    let agent =
        || Agent::on(border.gateway(), "lan0").config(config).state_dir(scratch.path()).start().unwrap();
    let first = agent();
    converse(&border).unwrap();
    first
        .wait_for_log("the output syslog does not accept documents (127.0.0.1:6514: Connection refused")
        .unwrap();
    let first = first.stop().unwrap();
    assert!(first.code == Some(1) && !first.documents.is_empty(), "{}", first.log);

    let mut second = agent();
    let bound = border.gateway().run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 6514)));
    let listener = bound.unwrap().unwrap();
    let server = thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut messages: Vec<String> = vec![];
        loop {
            let mut count = vec![];
            stream.read_until(b' ', &mut count).unwrap();
            let Ok(count) = String::from_utf8(count).unwrap().trim().parse() else { return messages };
            let mut message = vec![0; count];
            stream.read_exact(&mut message).unwrap();
            messages.push(String::from_utf8(message).unwrap());
        }
    });
    // It is tried again at once, whatever the pause is by now.
    second.signal(Signal::SIGHUP).unwrap();
    converse(&border).unwrap();
    second.wait_for_outputs().unwrap();
    let second = second.stop().unwrap();
    assert_eq!(second.code, Some(0), "{}", second.log);
    let received = server.join().unwrap();
    let received: Vec<Value> = received
        .iter()
        .map(|message| serde_json::from_str(message.split_once(" - ").unwrap().1).unwrap())
        .collect();
    let ids = |documents: &[Value]| -> Vec<String> {
        documents.iter().map(|one| text(one, "/event/id").to_owned()).collect()
    };
    assert_eq!(ids(&received), ids(&[first.documents, second.documents].concat()), "all, once and in order");
}
