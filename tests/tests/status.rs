//! `smb-sensor status`: its output about a running agent, and its exit codes.

use std::{path::Path, process::Command, time::Duration};

use sensor_lab::{Signal, Topology, poll, require_lab};
use sensor_tests::Agent;
use serde_json::Value;

/// Time for steps that take the agent seconds on a loaded machine.
const LONG: Duration = Duration::from_secs(60);

/// Runs the command; returns its exit code, standard output and standard error.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without the command")]
fn status(state_dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.arg("status").args(arguments).arg("--state-dir").arg(state_dir).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn json(state_dir: &Path) -> (i32, Value) {
    let (code, stdout, _) = status(state_dir, &["--json"]);
    (code, serde_json::from_str(&stdout).unwrap_or_default())
}

#[test]
fn says_so_if_no_agent_runs() {
    let state = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = status(state.path(), &[]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.starts_with("smb-sensor: no agent runs on"), "{stderr}");
}

#[test]
fn shows_a_running_agent_and_an_interface_that_goes() {
    require_lab!();
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let _agent = Agent::on(border.gateway(), "lan0,wan0").state_dir(state.path()).start().unwrap();

    let (code, stdout, stderr) = status(state.path(), &[]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("interfaces   lan0: incoming by"), "{stdout}");
    let (code, state_of_all) = json(state.path());
    assert_eq!((code, &state_of_all["problems"]), (0, &Value::Array(vec![])), "{state_of_all:#}");
    assert_eq!(state_of_all["outputs"][0]["name"], "output", "{state_of_all:#}");
    assert!(state_of_all["store"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{state_of_all:#}");

    border.gateway().ip("link del wan0").unwrap();
    let gone = "interface wan0 is not watched: it is not there";
    let is_named = |(code, state): &(i32, Value)| *code == 1 && state["problems"][0] == gone;
    let named = poll(LONG, || Some(json(state.path())).filter(is_named));
    assert!(named.is_some(), "{:#}", json(state.path()).1);
}

#[test]
fn says_that_a_reload_failed_until_one_succeeds() {
    require_lab!();
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("smb-sensor.toml");
    std::fs::write(&file, "").unwrap();
    let path = file.display().to_string();
    let mut agent = Agent::on(border.gateway(), "lan0")
        .arguments(&["--config", &path])
        .state_dir(state.path())
        .start()
        .unwrap();
    assert_eq!(json(state.path()).1["last_reload"], Value::Null);

    std::fs::write(&file, "nonsense = 1\n").unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    let names_it = |(code, state): &(i32, Value)| {
        *code == 1 && state["last_reload"]["error"].as_str().is_some_and(|error| error.contains("nonsense"))
    };
    let failed = poll(LONG, || Some(json(state.path())).filter(names_it));
    assert!(failed.is_some(), "{:#}", json(state.path()).1);

    std::fs::write(&file, "").unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    let repaired = poll(LONG, || Some(json(state.path())).filter(|(code, _)| *code == 0)).unwrap().1;
    assert_eq!(repaired["last_reload"]["error"], Value::Null, "{repaired:#}");
}

#[test]
fn stopped_agent_is_another_code_than_none() {
    require_lab!();
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    agent.signal(Signal::SIGSTOP).unwrap();
    let (code, stdout, stderr) = status(state.path(), &[]);
    agent.signal(Signal::SIGCONT).unwrap();
    assert_eq!((code, stdout.as_str()), (4, ""), "{stderr}");
    assert!(stderr.contains("does not answer"), "{stderr}");
}
