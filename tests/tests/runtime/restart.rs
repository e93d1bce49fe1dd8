//! A connection that outlives the agent: the next agent continues it, in the same incident.

use std::{net::TcpStream, path::Path};

use sensor_lab::{Answer, TcpListener, Topology, address, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, Ended, PATIENCE, connect, echo, number, text};
use sensor_user::{state::Restored, storage::Reader};
use serde_json::Value;

const BEFORE: u64 = 3_000;
const AFTER: u64 = 5_000;

fn agent(border: &Topology, state: &Path) -> Agent {
    Agent::on(border.gateway(), "lan0").state_dir(state).start().unwrap()
}

/// Sends this many bytes, which come back.
fn send(stream: &mut TcpStream, bytes: u64) {
    echo(stream, &vec![b'x'; bytes as usize]).unwrap();
}

fn id(document: &Value) -> &str {
    text(document, "/smb_sensor/incident/id")
}

/// The last document of the only incident.
fn the_incident(documents: &[Value]) -> &Value {
    let incidents = documents.iter().filter(|document| !id(document).is_empty());
    let last = incidents.clone().next_back().unwrap_or_else(|| panic!("no incident in {documents:#?}"));
    assert!(incidents.clone().all(|document| id(document) == id(last)), "{documents:#?}");
    last
}

/// Outbound and inbound bytes of an incident.
fn volume(document: &Value) -> (u64, u64) {
    let of = |name: &str| number(document, &format!("/smb_sensor/volume/{name}_bytes"));
    (of("left"), of("came"))
}

/// Outbound and inbound payload of the only connection as it is stored: what has left the kernel's slots, and what is in them.
fn stored_payload(state: &Path) -> Option<(u64, u64)> {
    let rows = Reader::open(state).ok()?.state(0).ok()?;
    let stored = Restored::of(&rows).connections;
    let [connection] = &stored[..] else { return None };
    let connection = serde_json::to_value(connection).unwrap();
    let of_side = |side: usize| {
        let payload = |counts: &Value| number(counts, &format!("/payload/{side}"));
        let in_slot = |slot: &Value| payload(&slot["counts"]) - payload(&slot["baseline"]);
        let interfaces = connection["flow"]["interfaces"].as_array()?;
        let sums = interfaces.iter().map(|one| {
            let slots = one["slots"].as_array().into_iter().flatten();
            payload(&one["settled"]) + slots.map(in_slot).sum::<u64>()
        });
        Some(sums.sum::<u64>())
    };
    Some((of_side(0)?, of_side(1)?))
}

/// Sends over a connection that an agent saw begin, ends that agent by `end`, continues with another on the same state directory,
/// and returns the last documents of the incident from both.
fn over_a_restart(end: impl FnOnce(Agent) -> Vec<Value>) -> (Value, Value, Ended) {
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let first = agent(&border, &state);
    let mut stream = connect(border.client(), server.address()).unwrap();
    send(&mut stream, BEFORE);
    first.wait_for(|document| !id(document).is_empty()).unwrap();
    let is_saved = || (stored_payload(&state) == Some((BEFORE, BEFORE))).then_some(());
    poll(PATIENCE, is_saved).unwrap_or_else(|| panic!("stored is {:?}", stored_payload(&state)));
    let before = the_incident(&end(first)).clone();

    let second = agent(&border, &state);
    send(&mut stream, AFTER);
    let ended = second.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let after = the_incident(&ended.documents).clone();
    assert_eq!(id(&after), id(&before), "another incident: {after:#}");
    assert_eq!(number(&after, "/smb_sensor/incident/connections"), 1, "{after:#}");
    (before, after, ended)
}

#[test]
fn connection_over_an_orderly_restart_has_the_sum_of_both_runs() {
    require_lab!(Network);
    let (before, after, _) = over_a_restart(|agent| agent.stop().unwrap().documents);
    assert_eq!(volume(&before), (BEFORE, BEFORE), "{before:#}");
    assert_eq!(volume(&after), (BEFORE + AFTER, BEFORE + AFTER), "{after:#}");
}

#[test]
fn connection_over_a_crash_loses_at_most_the_last_seconds() {
    require_lab!(Network);
    let (_, after, _) = over_a_restart(|agent| {
        let documents = agent.documents();
        agent.kill().unwrap();
        documents
    });
    let (left, came) = volume(&after);
    assert!((AFTER..=BEFORE + AFTER).contains(&left) && left == came, "{after:#}");
}
