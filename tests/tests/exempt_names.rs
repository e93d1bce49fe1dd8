//! Exemptions by DNS name: resolved while the agent runs, kept while no name server answers, and over a restart. Incidents name
//! their servers by them.

use std::{collections::BTreeSet, net::Ipv4Addr, process::Command};

use sensor_lab::{Dnsmasq, Signal, Smbd, Topology, address, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, Ended, EvidenceLevel, PATIENCE, reaches, smb_session, text};

const NAME: &str = "files.example";
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(8, 8, 4, 5);
const THIRD_SERVER: Ipv4Addr = Ipv4Addr::new(8, 8, 4, 6);

const CONFIG: &str = r#"
[dns]
servers = ["10.0.0.2"]
[lists]
provider = ["files.example"]
[[exempt]]
id = "backup"
source = "10.0.0.0/24"
destination = "provider"
reason = "nightly copy"
"#;

#[test]
fn exempts_the_addresses_of_a_name_and_keeps_them_while_no_server_answers() {
    require_lab!(Names);
    let topology = Topology::builder().server_address(OTHER_SERVER).server_address(THIRD_SERVER);
    let border = topology.build().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let state = scratch_dir().unwrap();
    let serve = |address: Ipv4Addr| {
        Dnsmasq::start(border.client(), address::CLIENT_V4, NAME, &[address.into()]).unwrap()
    };
    let start =
        || Agent::on(border.gateway(), "lan0").config(CONFIG).state_dir(state.path()).start().unwrap();

    let explained = |address: Ipv4Addr| {
        let mut explain = Command::new(Agent::program().unwrap());
        explain.args(["explain", &address.to_string(), "--state-dir"]).arg(state.path());
        String::from_utf8(explain.output().unwrap().stdout).unwrap()
    };
    let is_exempt = |address| explained(address).contains("10.0.0.0/24 -> provider: nightly copy");
    let becomes_exempt = |address| {
        let seen = poll(PATIENCE, || is_exempt(address).then_some(()));
        assert!(seen.is_some(), "{}", explained(address));
    };

    let name_server = serve(address::SERVER_V4);
    let mut agent = start();
    agent.wait_for_log("files.example has the addresses 8.8.4.4").unwrap();
    becomes_exempt(address::SERVER_V4);
    let named = |address: Ipv4Addr| {
        let name = format!("files.example (DNS name in list provider) has the address {address}");
        explained(address).contains(&name)
    };
    assert!(named(address::SERVER_V4), "{}", explained(address::SERVER_V4));
    smb_session(border.client(), address::SERVER_V4).unwrap();
    assert!(!is_exempt(OTHER_SERVER), "it is not resolved yet");

    drop(name_server);
    let name_server = serve(OTHER_SERVER);
    agent.signal(Signal::SIGHUP).unwrap();
    agent.wait_for_log("files.example has the addresses 8.8.4.4, 8.8.4.5").unwrap();
    becomes_exempt(OTHER_SERVER);
    assert!(named(OTHER_SERVER), "{}", explained(OTHER_SERVER));
    assert!(!is_exempt(THIRD_SERVER), "no answer names it");
    drop(name_server);
    agent.signal(Signal::SIGHUP).unwrap();
    agent.wait_for_log("cannot resolve files.example").unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    smb_session(border.client(), OTHER_SERVER).unwrap();
    smb_session(border.client(), THIRD_SERVER).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(servers(&ended), ["8.8.4.6"]);

    let agent = start();
    agent.wait_for_log("cannot resolve files.example").unwrap();
    smb_session(border.client(), OTHER_SERVER).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(servers(&ended), Vec::<&str>::new());
}

#[test]
fn incident_of_a_client_that_is_not_exempt_has_the_name_of_its_server() {
    require_lab!(Names);
    let border = Topology::builder().lan_server().build().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let state = scratch_dir().unwrap();
    let _name_server =
        Dnsmasq::start(border.client(), address::CLIENT_V4, NAME, &[address::SERVER_V4.into()]).unwrap();
    let agent = Agent::on(border.gateway(), "lan0,lan1").config(CONFIG).state_dir(state.path());
    let agent = agent.start().unwrap();
    agent.wait_for_log("files.example has the addresses 8.8.4.4").unwrap();
    agent.wait_for_log("reloaded:").unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    smb_session(border.lan_server().unwrap(), address::SERVER_V4).unwrap();
    let named = agent.wait_for(|document| text(document, "/destination/domain") == NAME).unwrap();
    let id = text(&named, "/smb_sensor/incident/id");
    let shown = || {
        let mut command = Command::new(Agent::program().unwrap());
        let output = command.args(["alerts", id, "--state-dir"]).arg(state.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let name = "files.example (DNS name in list provider)";
    assert!(poll(PATIENCE, || shown().contains(name).then_some(())).is_some(), "{}", shown());
    let ended = agent.stop().unwrap();
    assert_eq!(ends(&ended, "/source/ip"), ["10.0.1.2"]);
}

/// The servers in its incidents.
fn servers(ended: &Ended) -> Vec<&str> {
    ends(ended, "/destination/ip")
}

/// The addresses of one end of its incidents.
fn ends<'a>(ended: &'a Ended, end: &str) -> Vec<&'a str> {
    let all: BTreeSet<&str> = ended.documents.iter().map(|document| text(document, end)).collect();
    all.into_iter().collect()
}
