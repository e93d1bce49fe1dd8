//! SIGHUP: the running agent applies a new configuration, unless it is invalid.

use std::fs;

use sensor_lab::{Signal, Smbd, Topology, address, require_lab};
use sensor_tests::{Agent, EvidenceLevel, reaches, smb_session};

#[test]
fn hangup_applies_new_networks_and_a_bad_configuration_changes_nothing() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("smb-sensor.toml");
    fs::write(&path, "[networks]\ninternal = []\n").unwrap();
    let mut agent =
        Agent::on(border.gateway(), "lan0").arguments(&["--config", path.to_str().unwrap()]).start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();

    fs::write(&path, "[networks]\ninternal = [\"8.8.4.0/24\"]\n[kernel]\ntunnels = true\n").unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    agent.wait_for_log("reloaded:").unwrap();
    let waits = agent.wait_for_log("only after a restart").unwrap();
    assert!(waits.ends_with("kernel"), "{waits}");
    smb_session(border.client(), address::SERVER_V4).unwrap();

    fs::write(&path, "[networks]\ninternal = [\"8.8.4.0/33\"]\n").unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    let refusal = agent.wait_for_log("not reloaded").unwrap();
    assert!(refusal.contains("1 mistake"), "{refusal}");
    smb_session(border.client(), address::SERVER_V4).unwrap();

    let ended = agent.stop().unwrap();
    assert_eq!(
        ended.rules(),
        [
            "ntlm-credential-to-internet",
            "rare-smb-destination",
            "smb-download-from-internet",
            "smb-to-internet"
        ],
        "of the first session alone"
    );
    assert!(ended.number("lateral").unwrap() > 20, "{}", ended.statistics);
    assert_eq!(ended.number("unaccounted").unwrap(), 0);
}
