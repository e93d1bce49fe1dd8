//! `smb-sensor explain`, for the running agent and for a configuration.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use sensor_lab::{Topology, require_lab};
use sensor_tests::{Agent, text};
use sensor_user::control::{Request, ask};
use serde_json::Value;

fn explain(arguments: &[&str]) -> Output {
    Command::new(Agent::program().unwrap()).arg("explain").args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn without_an_agent_explains_the_named_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sensor.toml");
    let text = "profile = \"elastic-v105\"\n[networks]\ninternal = [\"9.0.0.0/8\"]\n\n\
                [[exempt]]\nsource = \"10.0.0.7\"\nreason = \"scanner\"\n";
    fs::write(&config, text).unwrap();
    let arguments = ["--config", path(&config), "--state-dir", path(folder.path())];
    let stdout = stdout(&explain(&[&["10.0.0.7", "8.8.4.4"][..], &arguments].concat()));
    let first = stdout.lines().next().unwrap();
    assert!(first.contains(path(&config)) && first.contains("no agent answers"), "{stdout}");
    assert!(stdout.contains("profile in force: elastic-v105"), "{stdout}");
    assert!(stdout.contains(&format!("scanner ({}:5)", config.display())), "{stdout}");
}

#[test]
fn running_agent_explains_its_active_configuration() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0")
        .state_dir(state.path())
        .arguments(&["--profile", "elastic-current", "--internal", "9.0.0.0/8"])
        .start()
        .unwrap();
    let state_dir = ["--state-dir", path(state.path())];
    let json = stdout(&explain(&[&["10.0.0.1", "9.1.2.3", "--json"][..], &state_dir].concat()));
    let explanation: Value = serde_json::from_str(&json).unwrap();
    assert!(text(&explanation, "/asked").contains("the running agent"), "{explanation:#}");
    assert_eq!(text(&explanation, "/explanation/profile"), "elastic-current");
    assert_eq!(
        text(&explanation, "/explanation/addresses/1/place"),
        "external",
        "that profile knows no 9.0.0.0/8"
    );
    // The sensor's own rules use the networks of the agent's command line.
    let sensor = &explanation["explanation"]["connections"][0]["profiles"][0];
    assert_eq!(text(sensor, "/profile"), "sensor");
    assert_eq!(text(sensor, "/server/place"), "internal");
    assert_eq!(text(sensor, "/server/by/source"), "--internal on the command line");

    let alone = stdout(&explain(&[&["10.0.0.1", "--no-agent"][..], &state_dir].concat()));
    assert!(alone.starts_with("asked: the built-in defaults\n"), "{alone}");

    let refused = ask(state.path(), &Request::EnforcementOn { seconds: None }).unwrap();
    assert!(!refused.done && refused.text.contains("elastic-current only watches"), "{refused:?}");
    agent.stop().unwrap();
}

#[test]
fn enforcement_does_not_start_with_a_published_profile() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--profile", "netography", "--enforce"]);
    let refusal = agent.refused().unwrap();
    assert_eq!(refusal.code, Some(1));
    assert!(refusal.stderr.contains("netography only watches"), "{}", refusal.stderr);
}

#[test]
fn closed_pipe_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = path(folder.path());
    for arguments in [
        &["explain", "10.0.0.7", "8.8.4.4", "--no-agent"][..],
        &["explain", "10.0.0.7", "8.8.4.4", "--no-agent", "--json"],
        &["exempt", "list", "--state-dir", state_dir],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(Agent::program().unwrap());
        let output = command.args(arguments).stdout(writer).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !stderr.contains("pipe"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn refuses_a_bad_address_with_the_expected_form() {
    for (arguments, word) in [
        (&["10.0.0"][..], "192.0.2.7"),
        (&["10.0.0.0/8"], "a network"),
        (&["10.0.0.1", "host"], "not an IP address"),
        (&["10.0.0.1", "--port", "0"], "1 to 65535"),
        (&["10.0.0.1", "--port", "445/sctp"], "/tcp or /udp"),
    ] {
        let output = explain(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains(word), "{arguments:?}: {stderr}");
    }
}
