//! Incidents that were open when the agent ended.

use sensor_lab::{Answer, TcpListener, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, echo, has_finding, number, text};
use serde_json::Value;

use super::stored;

/// A client speaks SMB on one connection over two ends of the agent, and on another after each; all are one incident.
fn goes_on_under_the_same_identifier(end: fn(Agent)) {
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    let agent = || Agent::on(border.gateway(), "lan0").state_dir(&state).start().unwrap();
    let speak = || {
        let mut connection = connect(border.client(), server.address()).unwrap();
        echo(&mut connection, &SMB2_MESSAGE).unwrap();
        connection
    };
    let first = agent();
    let _connection = speak();
    let opened = first.wait_for(has_finding("smb-to-internet", "smb")).unwrap();
    let id = text(&opened, "/smb_sensor/incident/id").to_owned();
    end(first);
    // Known activity only changes counts, which are reported when they have doubled.
    for (run, more, count) in [(2, 1, 2), (3, 2, 4)] {
        let next = agent();
        let _others: Vec<_> = (0..more).map(|_| speak()).collect();
        let update = |document: &Value| {
            number(document, "/smb_sensor/incident/connections") >= count
                && document.pointer("/smb_sensor/incident/restarted") == Some(&true.into())
        };
        let updated = next.wait_for(update).unwrap();
        assert_eq!(text(&updated, "/smb_sensor/incident/id"), id, "run {run}");
        assert_eq!(number(&updated, "/smb_sensor/incident/connections"), count, "run {run}");
        assert_eq!(
            updated.pointer("/smb_sensor/incident/opened"),
            opened.pointer("/smb_sensor/incident/opened"),
            "run {run}"
        );
        end(next);
    }
    assert_eq!(agent().stop().unwrap().code, Some(0));

    let documents = stored(&state, &[]);
    let ids: Vec<_> = documents.iter().map(|one| text(one, "/smb_sensor/incident/id")).collect();
    assert!(ids.iter().all(|one| *one == id), "{ids:?}");
    let sequences: Vec<_> = documents.iter().map(|one| number(one, "/event/sequence")).collect();
    assert_eq!(sequences, (1..=documents.len() as u64).collect::<Vec<_>>());
    let actions: Vec<_> = documents.iter().map(|one| text(one, "/event/action")).collect();
    assert_eq!(actions.iter().filter(|one| **one == "incident-opened").count(), 1, "{actions:?}");
    assert!(!actions.contains(&"incident-closed"), "{actions:?}");
    assert_eq!(stored(&state, &["--open"]), documents, "it is open still");
}

#[test]
fn open_incident_continues_after_a_stop() {
    require_lab!(Network);
    goes_on_under_the_same_identifier(|agent| {
        assert_eq!(agent.stop().unwrap().code, Some(0));
    });
}

#[test]
fn open_incident_continues_after_a_kill() {
    require_lab!(Network);
    goes_on_under_the_same_identifier(|agent| agent.kill().unwrap());
}
