//! `smb-sensor exempt`: added, removed and expired exemptions change the alerts of a running agent, and their hits are counted.

use std::{path::Path, process::Command, thread, time::Duration};

use sensor_core::time::Timestamp;
use sensor_lab::{Namespace, Smbd, Topology, address, poll, require_lab};
use sensor_tests::{Agent, EvidenceLevel, number, reaches, smb_session, text, wait_for_ends};
use sensor_user::rfc3339::rfc3339;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Time for steps that take the agent seconds on a loaded machine.
const LONG: Duration = Duration::from_secs(60);

/// Runs the command; returns its exit code and all its output.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without the command")]
fn exempt(state_dir: &Path, arguments: &str) -> (i32, String) {
    let output = Command::new(Agent::program().unwrap())
        .arg("exempt")
        .args(arguments.split_whitespace())
        .arg("--state-dir")
        .arg(state_dir)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// Now, in the form of alerts.
fn now() -> String {
    rfc3339(Timestamp::from_unix_nanos(OffsetDateTime::now_utc().unix_timestamp_nanos() as i64))
}

/// The line of the list that begins with `what`, of its first entry.
fn listed(state_dir: &Path, what: &str) -> String {
    let (_, output) = exempt(state_dir, "list");
    let line = output.lines().find(|line| line.trim_start().starts_with(what));
    line.unwrap_or_default().trim().to_owned()
}

#[test]
fn added_exemption_silences_and_removal_restores_alerts() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    // Each to its last packet, which the next exemption would cover.
    let session = |client: &Namespace| {
        smb_session(client, address::SERVER_V4).unwrap();
        wait_for_ends(&[client, border.server()]).unwrap();
    };
    session(border.client());
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();

    // By one end: the kernel lets it pass, and counts its packets.
    let add = format!("add --source {} --reason nightly --id nightly", address::CLIENT_V4);
    let (code, output) = exempt(state.path(), &add);
    assert!(code == 0 && output.contains("; in force"), "{output}");
    assert!(
        listed(state.path(), "nightly").ends_with("NEVER MATCHED"),
        "{}",
        listed(state.path(), "nightly")
    );
    let added = now();
    session(border.client());
    let hits = poll(LONG, || Some(listed(state.path(), "hits:")).filter(|line| line.contains("packets")));
    assert!(hits.is_some(), "{:?}", exempt(state.path(), "list"));

    // For a service of a server: the agent decides, and counts connections.
    assert_eq!(exempt(state.path(), "remove nightly").0, 0);
    let add =
        format!("add --destination {} --service smb --reason provider --id provider", address::SERVER_V4);
    assert_eq!(exempt(state.path(), &add).0, 0);
    session(border.client());
    let once = || Some(listed(state.path(), "hits:")).filter(|line| line.contains("1 connections"));
    assert!(poll(LONG, once).is_some(), "{:?}", exempt(state.path(), "list"));

    let (code, output) = exempt(state.path(), "remove provider");
    assert!(code == 0 && output.contains("in force"), "{output}");
    let removed = now();
    session(border.client());
    let back = agent.wait_for(|document| {
        reaches("smb-to-internet", EvidenceLevel::Share)(document)
            && number(document, "/smb_sensor/incident/connections") >= 2
    });
    back.unwrap();
    let ended = agent.stop().unwrap();
    let silent =
        |document: &Value| (added.as_str()..removed.as_str()).contains(&text(document, "/event/start"));
    let exempt: Vec<_> = ended.documents.iter().filter(|document| silent(document)).collect();
    assert!(exempt.is_empty(), "{exempt:#?}");
    assert_eq!(ended.number("exempt").unwrap(), 1, "{}", ended.statistics);
    assert!(ended.number("exempt_source").unwrap() > 10, "{}", ended.statistics);
}

#[test]
fn hits_outlive_a_restart_and_an_exemption_expires() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let add = format!("add --source {} --reason test --id lan", address::CLIENT_V4);
    let (code, output) = exempt(state.path(), &add);
    assert!(code == 0 && output.contains("no agent runs"), "{output}");
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    agent.wait_for_log("1 never matched (lan)").unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert!(listed(state.path(), "hits:").contains("packets, last"), "{:?}", exempt(state.path(), "list"));

    // Replaced by one that expires in a moment.
    assert_eq!(exempt(state.path(), "remove lan").0, 0);
    let soon = OffsetDateTime::now_utc() + Duration::from_secs(20);
    let soon = soon.format(&Rfc3339).unwrap();
    assert_eq!(exempt(state.path(), &format!("{add} --expires {soon}")).0, 0);
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    assert!(
        poll(LONG, || agent.log().contains("exemption lan is over").then_some(())).is_some(),
        "{}",
        agent.log()
    );
    smb_session(border.client(), address::SERVER_V4).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    assert!(listed(state.path(), "lan").ends_with("EXPIRED"), "{:?}", exempt(state.path(), "list"));
    agent.stop().unwrap();
}

#[test]
fn concurrent_commands_add_every_entry() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let all: Vec<_> = thread::scope(|scope| {
        let add = |number| {
            let state = state.path();
            let add = format!("add --source 10.77.{number}.0/24 --reason test --id entry-{number}");
            scope.spawn(move || exempt(state, &add))
        };
        (0..8).map(add).collect::<Vec<_>>().into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(all.iter().all(|(code, output)| *code == 0 && output.contains("; in force")), "{all:#?}");
    let (_, output) = exempt(state.path(), "list");
    assert!((0..8).all(|number| output.contains(&format!("entry-{number}  "))), "{output}");
    agent.wait_for_log("8 exemptions").unwrap();
    let (code, output) = exempt(state.path(), "add --source 10.77.9.0/24 --reason x --expires 2999999d");
    assert!(code != 0 && output.contains("2999999d") && output.contains("2261-12-31"), "{output}");
    agent.stop().unwrap();
}

#[test]
fn bad_entry_changes_nothing_and_a_trial_says_why() {
    let state = tempfile::tempdir().unwrap();
    let (code, output) = exempt(state.path(), "add --source 10.0.0.0/33 --reason x");
    assert!(code != 0 && output.contains("10.0.0.0/33"), "{output}");
    assert_ne!(exempt(state.path(), "add --reason x").0, 0, "it would cover everything");
    assert_eq!(exempt(state.path(), "list").1.trim(), "no exemptions");
    assert_eq!(exempt(state.path(), "add --source 10.1.0.0/16 --process backupd --reason copies").0, 0);
    let (code, output) = exempt(state.path(), "add --source 10.1.0.0/16 --process backupd --reason again");
    assert!(code != 0 && output.contains("already"), "{output}");
    let (code, output) = exempt(state.path(), "test 10.1.2.3 8.8.4.4 --process backupd");
    assert!(code == 0 && output.contains("reason: copies"), "{output}");
    let (code, output) = exempt(state.path(), "test 10.1.2.3 8.8.4.4");
    assert!(code == 1 && output.contains("the process is not known"), "{output}");
    let (code, output) = exempt(state.path(), "remove nothing");
    assert!(code != 0 && output.contains("nothing was changed"), "{output}");
}
