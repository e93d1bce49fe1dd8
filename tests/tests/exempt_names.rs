//! Exemptions by DNS name: resolved while the agent runs, kept while no name server answers, and over a restart.

use std::{collections::BTreeSet, net::Ipv4Addr};

use sensor_lab::{Dnsmasq, Signal, Smbd, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, Ended, EvidenceLevel, reaches, smb_session, text};

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

    let name_server = serve(address::SERVER_V4);
    let mut agent = start();
    agent.wait_for_log("files.example has the addresses 8.8.4.4").unwrap();
    agent.wait_for_log("reloaded:").unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();

    drop(name_server);
    let name_server = serve(OTHER_SERVER);
    agent.signal(Signal::SIGHUP).unwrap();
    agent.wait_for_log("files.example has the addresses 8.8.4.4, 8.8.4.5").unwrap();
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

/// The servers in its incidents.
fn servers(ended: &Ended) -> Vec<&str> {
    let all: BTreeSet<&str> =
        ended.documents.iter().map(|document| text(document, "/destination/ip")).collect();
    all.into_iter().collect()
}
