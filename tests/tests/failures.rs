//! A start that cannot succeed ends with one clear line, a non-zero code and nothing attached.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use sensor_lab::{Process, Topology, require_lab, scratch_dir, skip};
use sensor_tests::{Agent, AgentBuilder, PATIENCE, attached};

/// The start is refused in one line with all of `words`.
fn refused(agent: AgentBuilder<'_>, words: &[&str]) -> Result<()> {
    let refusal = agent.refused()?;
    ensure!(refusal.code == Some(1), "{refusal:?}");
    ensure!(refusal.stderr.starts_with("smb-sensor: "), "{refusal:?}");
    ensure!(refusal.stderr.lines().count() == 1, "{refusal:?}");
    for word in words {
        ensure!(refusal.stderr.contains(word), "{word:?} is missing: {refusal:?}");
    }
    Ok(())
}

#[test]
fn names_an_unknown_interface_and_the_existing_ones() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    refused(Agent::on(border.gateway(), "nope"), &["\"nope\"", "lan0", "wan0", "--iface"]).unwrap();
}

#[test]
fn watches_a_known_interface_and_warns_of_an_unknown_one() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0,nope").start().unwrap();
    assert!(agent.log().contains("there is no interface nope yet"), "{}", agent.log());
    assert_ne!(attached(border.gateway(), "lan0").unwrap(), [""; 0]);
    assert_eq!(agent.stop().unwrap().code, Some(0));
    refused(Agent::on(border.gateway(), "nope"), &["nope"]).unwrap();
}

#[test]
fn missing_interface_option_lists_the_choice() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::without_interface(border.gateway());
    refused(agent, &["no interface is named", "--iface", "lan0", "wan0"]).unwrap();
}

#[test]
fn refuses_an_interface_that_another_agent_watches() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent =
        |ingress: &'static str| Agent::on(border.gateway(), "wan0,lan0").arguments(&["--ingress", ingress]);
    let first = Agent::on(border.gateway(), "lan0").start().unwrap();
    let before = attached(border.gateway(), "lan0").unwrap();
    let process = format!("(process {})", first.id());
    for ingress in ["xdp-native", "auto", "tc"] {
        refused(agent(ingress), &["lan0", "another smb-sensor", &process]).unwrap();
        assert_eq!(attached(border.gateway(), "lan0").unwrap(), before);
        assert_eq!(attached(border.gateway(), "wan0").unwrap(), [""; 0], "the interface before it");
    }
    assert_eq!(first.stop().unwrap().code, Some(0));
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), [""; 0]);
    // The remedy that the message names.
    agent("tc").start().unwrap().stop().unwrap();
}

#[test]
fn refuses_a_state_directory_in_use_until_it_is_free() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    let first = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let path = state.path().display().to_string();
    refused(Agent::on(border.gateway(), "wan0").state_dir(state.path()), &[&path, "use"]).unwrap();
    assert_eq!(attached(border.gateway(), "wan0").unwrap(), [""; 0]);
    first.stop().unwrap();
    let second = Agent::on(border.gateway(), "wan0").state_dir(state.path()).start().unwrap();
    assert_eq!(second.stop().unwrap().code, Some(0));
}

#[test]
fn reports_three_configuration_mistakes_with_line_and_column() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let config =
        "statistics_interval = 0\n[networks]\ninternal = [\"10.0.0.0/33\"]\n[kernel]\n  flow_slot = 64\n";
    let refusal = Agent::on(border.gateway(), "lan0").config(config).refused().unwrap();
    assert_eq!(refusal.code, Some(1));
    let lines: Vec<_> = refusal.stderr.lines().collect();
    assert!(lines[0].contains("smb-sensor.toml: 3 mistakes"), "{refusal:?}");
    let places = ["line 1, column 23: ", "line 3, column 14: ", "line 5, column 3: "];
    let causes = ["`statistics_interval`", "10.0.0.0/33", "`flow_slot`"];
    assert_eq!(lines.len(), 4, "{refusal:?}");
    for ((line, place), cause) in lines[1..].iter().zip(places).zip(causes) {
        assert!(line.contains(place) && line.contains(cause), "{place}{cause}: {line}");
    }
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), [""; 0]);
}

#[test]
fn names_an_unreadable_configuration() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--config", "/nonexistent/sensor.toml"]);
    refused(agent, &["cannot read the configuration", "/nonexistent/sensor.toml", "No such file"]).unwrap();
}

#[test]
fn names_an_unwritable_output_file() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let folder = scratch_dir().unwrap();
    let path = folder.path().to_str().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--output", path]);
    refused(agent, &["cannot open the output file", path, "directory", "--output"]).unwrap();
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), [""; 0]);
}

#[test]
fn names_a_state_directory_that_cannot_be_made() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let folder = scratch_dir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("state");
    refused(Agent::on(border.gateway(), "lan0").state_dir(&below), &[below.to_str().unwrap()]).unwrap();
}

#[test]
fn lists_each_missing_privilege_with_the_remedy() {
    require_lab!(Network);
    let here = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&here).any(|folder| folder.join("setpriv").is_file()) {
        skip("failures::missing_privileges", "setpriv is not in PATH: install util-linux");
        return;
    }
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    // The program may be where only root can go.
    let program = scratch.path().join("smb-sensor");
    fs::copy(Agent::program().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = border.gateway().command("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"])
        .arg(&program)
        .args(["run", "--iface", "lan0", "--state-dir", "/nonexistent"]);
    let mut process = Process::spawn(command).unwrap();
    assert_eq!(process.wait(PATIENCE).unwrap().code(), Some(1));
    let stderr = process.stderr_lines();
    assert_eq!(stderr.len(), 1, "{stderr:?}");
    for word in ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON", "sudo"] {
        assert!(stderr[0].contains(word), "{word} is missing: {stderr:?}");
    }
}
