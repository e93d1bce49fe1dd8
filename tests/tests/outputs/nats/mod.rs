//! A real nats-server as the destination.

mod credentials;
mod login;
mod stream;

use std::net::Ipv4Addr;

use async_nats::ConnectOptions;
use sensor_lab::{NatsServer, Signal, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, nats::stored, text};
use serde_json::Value;

use super::converse;

const AT: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// An output to the server, which makes the stream.
const OUTPUT: &str = "[[output]]\ntype = \"nats\"\nservers = [\"nats://127.0.0.1:4222\"]\nsite = \"lab\"\n\
                      sensor = \"gate\"\ntimeout = 2\nhealth_interval = 0\ncreate_stream = true\n";

const STDOUT: &str = "[[output]]\ntype = \"stdout\"\n";

fn ids(documents: &[Value]) -> Vec<String> {
    documents.iter().map(|one| text(one, "/event/id").to_owned()).collect()
}

/// Identifiers of the incidents' messages of the stream, if there is one yet.
fn stored_ids(border: &Topology, server: &NatsServer<'_>) -> Vec<String> {
    let subject = "smb-sensor.lab.gate.incident";
    let all = stored(border.gateway(), server.address(), ConnectOptions::new(), subject).unwrap_or_default();
    all.into_iter().map(|one| one.id).collect()
}

#[test]
fn stream_has_every_document_in_order_under_its_subject() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = NatsServer::start(border.gateway(), AT, scratch.path(), "").unwrap();
    let both = "take = \"both\"\n";
    let config = format!("[kernel]\nflow_idle = 10\n{OUTPUT}{both}{STDOUT}{both}");
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    for _ in 0..5 {
        converse(&border).unwrap();
    }
    let is_flow = |one: &&Value| text(one, "/data_stream/dataset") == "network_traffic.flow";
    poll(PATIENCE, || (agent.documents().iter().filter(is_flow).count() >= 5).then_some(()))
        .unwrap_or_else(|| panic!("{:#?}", agent.documents()));
    agent.wait_for_outputs().unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let all = stored(border.gateway(), server.address(), ConnectOptions::new(), "smb-sensor.>").unwrap();
    let received: Vec<Value> = all.iter().map(|one| one.document.clone()).collect();
    assert_eq!(received, ended.documents);
    for one in &all {
        let is_flow = text(&one.document, "/data_stream/dataset") == "network_traffic.flow";
        let kind = if is_flow { "flow" } else { "incident" };
        assert_eq!(one.subject, format!("smb-sensor.lab.gate.{kind}"));
        // Summaries of flows have an identifier in the store alone.
        assert!(is_flow || one.id == text(&one.document, "/event/id"), "{}", one.id);
    }
}

#[test]
fn documents_of_the_time_without_a_server_are_stored_afterwards() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let config = format!("{OUTPUT}{STDOUT}");
    let mut agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    converse(&border).unwrap();
    let words =
        "the output nats does not accept documents (nats://127.0.0.1:4222: IO error: Connection refused";
    agent.wait_for_log(words).unwrap();

    let mut server = NatsServer::start(border.gateway(), AT, scratch.path(), "").unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    agent.wait_for_log("the output nats accepts documents again").unwrap();
    // It goes away in the middle, and comes back with what it had.
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        server.end(signal).unwrap();
        let before = agent.documents().len();
        poll(PATIENCE, || {
            converse(&border).unwrap();
            (agent.documents().len() > before).then_some(())
        })
        .unwrap();
        server.begin().unwrap();
        agent.signal(Signal::SIGHUP).unwrap();
    }
    agent.wait_for_outputs().unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(stored_ids(&border, &server), ids(&ended.documents), "all, once and in order");
}

#[test]
fn documents_that_a_hanging_server_took_are_stored_once() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let mut server = NatsServer::start(border.gateway(), AT, scratch.path(), "").unwrap();
    let mut agent = Agent::on(border.gateway(), "lan0").config(&format!("{OUTPUT}{STDOUT}")).start().unwrap();
    converse(&border).unwrap();
    poll(PATIENCE, || (!stored_ids(&border, &server).is_empty()).then_some(())).unwrap();
    // Its machine takes what is sent, and the server itself reads it later.
    server.signal(Signal::SIGSTOP).unwrap();
    poll(PATIENCE, || {
        converse(&border).unwrap();
        agent.log().contains("(no acknowledgement within 2 s").then_some(())
    })
    .unwrap_or_else(|| panic!("{}", agent.log()));
    server.signal(Signal::SIGCONT).unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    agent.wait_for_outputs().unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(stored_ids(&border, &server), ids(&ended.documents), "once and in order");
}

#[test]
fn documents_that_are_sent_again_are_stored_once() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = NatsServer::start(border.gateway(), AT, &scratch.path().join("nats"), "").unwrap();
    let state = scratch.path().join("state");
    // The second run has a new position, at the beginning: it sends again what the first one sent.
    let mut known = vec![];
    for name in ["nats", "output"] {
        let config = format!("{OUTPUT}name = \"{name}\"\n{STDOUT}");
        let agent = Agent::on(border.gateway(), "lan0").config(&config).state_dir(&state).start().unwrap();
        converse(&border).unwrap();
        let line = poll(PATIENCE, || {
            let documents = ids(&agent.documents());
            let all = [known.clone(), documents].concat();
            (all.len() > known.len() && stored_ids(&border, &server).len() >= all.len()).then_some(all)
        });
        known = line.unwrap_or_else(|| panic!("{}", agent.log()));
        agent.kill().unwrap();
    }
    let stored = stored_ids(&border, &server);
    assert!(stored.len() >= known.len(), "{stored:?} {known:?}");
    let mut once = stored.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), stored.len(), "{stored:?}");
}
