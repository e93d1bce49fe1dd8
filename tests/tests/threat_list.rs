//! Threat lists: named in the alert, and read again while the agent runs.

use std::{fs, path::Path, process::Command, time::Duration};

use sensor_lab::{Smbd, Topology, address, poll, require_lab};
use sensor_tests::{Agent, EvidenceLevel, number, reaches, smb_session, text};

/// Time for steps that take the agent seconds on a loaded machine.
const LONG: Duration = Duration::from_secs(40);

#[test]
fn names_a_listed_server_and_notices_a_changed_file() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed.csv");
    // As many lines as a feed has, followed by the test's own.
    let mut lines: String =
        (0..20_000u32).map(|n| format!("{},other\n", std::net::Ipv4Addr::from(0x1400_0000 + n))).collect();
    fs::write(&file, &lines).unwrap();
    let config = format!("[[threat_list]]\nname = \"feed\"\nfile = \"{}\"\n", file.display());
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config(&config).state_dir(state.path()).start().unwrap();
    agent.wait_for_log("threat lists: 20000 prefixes on 1").unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    let alert = agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    assert!(alert.pointer("/threat/indicator").is_none(), "{alert:#}");

    fs::write(&file, format!("{lines}nonsense\n")).unwrap();
    let refusal = |log: String| log.contains("feed.csv, line 20001: \"nonsense\"").then_some(());
    assert!(poll(LONG, || refusal(agent.log())).is_some(), "{}", agent.log());

    // The bad line delays no exemption, and the list stays as it was.
    add_an_exemption(state.path());
    agent.wait_for_log("1 exemptions, 1 threat lists").unwrap();

    lines.push_str("8.8.4.0/24,file thieves\n");
    fs::write(&file, &lines).unwrap();
    let again = || agent.log().contains("threat lists read again: 20001 prefixes").then_some(());
    assert!(poll(LONG, again).is_some(), "{}", agent.log());
    smb_session(border.client(), address::SERVER_V4).unwrap();
    let alert = agent
        .wait_for(|document| {
            reaches("smb-to-internet", EvidenceLevel::Share)(document)
                && document.pointer("/threat/indicator").is_some()
        })
        .unwrap();
    assert_eq!(text(&alert, "/threat/indicator/provider"), "feed");
    assert_eq!(text(&alert, "/threat/indicator/name"), "8.8.4.0/24");
    assert_eq!(text(&alert, "/threat/indicator/description"), "file thieves");
    assert_eq!(number(&alert, "/smb_sensor/threat_lists/0/line"), 20_001);
    assert_eq!(text(&alert, "/smb_sensor/incident/severity"), "critical");
    agent.stop().unwrap();
}

#[test]
fn list_that_does_not_fit_stays_and_is_retried_with_the_next_change() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("feed");
    let lines = |many: u32| -> String {
        (0..many).map(|n| format!("{}\n", std::net::Ipv4Addr::from(0x1400_0000 + 2 * n))).collect()
    };
    fs::write(&file, lines(10)).unwrap();
    let config = format!(
        "[kernel]\nmax_prefixes = 1024\n[[threat_list]]\nname = \"feed\"\nfile = \"{}\"\n",
        file.display()
    );
    let agent = Agent::on(border.gateway(), "lan0").config(&config).state_dir(state.path()).start().unwrap();
    agent.wait_for_log("threat lists: 10 prefixes on 1").unwrap();
    fs::write(&file, lines(3_000)).unwrap();
    let log_has = |what: &str| {
        assert!(poll(LONG, || agent.log().contains(what).then_some(())).is_some(), "{what}: {}", agent.log());
    };
    log_has("threat lists stay as they were");
    log_has("raise kernel.max_prefixes");
    add_an_exemption(state.path());
    log_has("1 exemptions, 1 threat lists");
    fs::write(&file, lines(20)).unwrap();
    log_has("threat lists read again: 20 prefixes");
    agent.stop().unwrap();
}

/// Makes the running agent apply an exemption of addresses that no test uses.
#[track_caller]
#[expect(clippy::unwrap_used, reason = "a test cannot go on without the command")]
fn add_an_exemption(state_dir: &Path) {
    let added = Command::new(Agent::program().unwrap())
        .args(["exempt", "add", "--source", "10.77.0.0/16", "--reason", "test", "--state-dir"])
        .arg(state_dir)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&[added.stdout, added.stderr].concat()).into_owned();
    assert!(added.status.success() && output.contains("in force"), "{output}");
}

#[test]
fn bad_line_of_a_list_prevents_the_start_and_is_named() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("feed"), "8.8.4.4\n8.8.4.4/8\n").unwrap();
    let config =
        format!("[[threat_list]]\nname = \"feed\"\nfile = \"{}\"\n", folder.path().join("feed").display());
    let refusal = Agent::on(border.gateway(), "lan0").config(&config).refused().unwrap();
    assert!(
        refusal.stderr.contains("feed, line 2") && refusal.stderr.contains("8.0.0.0/8"),
        "{}",
        refusal.stderr
    );
}
