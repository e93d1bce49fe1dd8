//! Traffic that does not cross the border, or is exempt, raises no alert and is counted under its name.

use std::net::Ipv4Addr;

use sensor_lab::{Smbd, Topology, address, require_lab};
use sensor_tests::{Agent, Ended, EvidenceLevel, finds, reaches, smb_session, text};

/// A second internal client and a second server, which are not exempt.
const OTHER_CLIENT: Ipv4Addr = Ipv4Addr::new(172, 16, 5, 5);
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);

#[test]
fn session_between_internal_hosts_is_lateral_and_not_alerted() {
    require_lab!();
    let border = Topology::builder().lan_server().build().unwrap();
    let _smbd = Smbd::start(border.lan_server().unwrap()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0,lan1").start().unwrap();
    smb_session(border.client(), address::LAN_SERVER_V4).unwrap();
    smb_session(border.client(), address::LAN_SERVER_V6).unwrap();
    let ended = agent.stop().unwrap();
    assert_silent(&ended, "lateral");
}

#[test]
fn sessions_with_reserved_addresses_are_not_alerted() {
    require_lab!();
    let reserved = [[198, 18, 0, 10], [100, 64, 0, 10], [203, 0, 113, 9]].map(Ipv4Addr::from);
    let mut builder = Topology::builder();
    for server in reserved {
        builder = builder.server_address(server);
    }
    let border = builder.build().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    for server in reserved {
        smb_session(border.client(), server).unwrap();
    }
    assert_silent(&agent.stop().unwrap(), "reserved");
}

#[test]
fn session_with_an_own_public_network_is_lateral_and_not_alerted() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--internal", "8.8.4.0/24"]).start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    assert_silent(&agent.stop().unwrap(), "lateral");
}

#[test]
fn exempt_source_is_silent_and_another_client_is_not() {
    require_lab!();
    let border = Topology::builder().client_address(OTHER_CLIENT).build().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let config = format!("[[exempt]]\nsource = \"{}\"\nreason = \"test\"\n", address::CLIENT_V4);
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    use_other_client(&border);
    smb_session(border.client(), address::SERVER_V4).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    assert_only(&ended, "/source/ip", OTHER_CLIENT);
    assert!(ended.number("exempt_source").unwrap() > 10, "{}", ended.statistics);
}

#[test]
fn exempt_destination_is_silent_and_another_server_is_not() {
    require_lab!();
    let border = Topology::builder().server_address(OTHER_SERVER).build().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let config = "[[exempt]]\ndestination = \"8.8.4.0/24\"\nreason = \"test\"\n";
    let agent = Agent::on(border.gateway(), "lan0").config(config).start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    smb_session(border.client(), OTHER_SERVER).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    assert_only(&ended, "/destination/ip", OTHER_SERVER);
    assert!(ended.number("exempt_destination").unwrap() > 10, "{}", ended.statistics);
}

#[test]
fn exempt_pair_is_silent_and_each_end_with_another_is_not() {
    require_lab!();
    let border =
        Topology::builder().server_address(OTHER_SERVER).client_address(OTHER_CLIENT).build().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let config = format!(
        "[[exempt]]\nsource = \"{}\"\ndestination = \"{}\"\nreason = \"test\"\n",
        address::CLIENT_V4,
        address::SERVER_V4
    );
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    smb_session(border.client(), OTHER_SERVER).unwrap();
    use_other_client(&border);
    smb_session(border.client(), address::SERVER_V4).unwrap();
    agent
        .wait_for(|d| {
            reaches("smb-to-internet", EvidenceLevel::Share)(d)
                && text(d, "/source/ip") == OTHER_CLIENT.to_string()
        })
        .unwrap();
    let ended = agent.stop().unwrap();
    let mut pairs: Vec<_> = ended
        .documents
        .iter()
        .filter(|document| finds(document, "smb-to-internet"))
        .map(|document| (text(document, "/source/ip"), text(document, "/destination/ip")))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs, [("10.0.0.2", "1.1.1.1"), ("172.16.5.5", "8.8.4.4")]);
    assert_eq!(ended.number("exempt").unwrap(), 1, "{}", ended.statistics);
}

/// The client's sessions use its other address from now on.
fn use_other_client(border: &Topology) {
    let route = format!("route replace default via {} src {OTHER_CLIENT}", address::GATEWAY_LAN_V4);
    assert!(border.client().ip(&route).is_ok(), "{route}");
}

/// No alert, nothing kept, and whole sessions counted under `outcome`.
fn assert_silent(ended: &Ended, outcome: &str) {
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    let number = |name| ended.number(name).unwrap_or(u64::MAX);
    assert_eq!(number("kept"), 0, "{}", ended.statistics);
    assert!(number(outcome) > 20, "{}", ended.statistics);
    assert_eq!(number("seen"), number(outcome), "{}", ended.statistics);
}

/// There are alerts, and the end at `pointer` is the same in all of them.
fn assert_only(ended: &Ended, pointer: &str, end: Ipv4Addr) {
    assert_eq!(
        ended.rules(),
        [
            "ntlm-credential-to-internet",
            "rare-smb-destination",
            "smb-download-from-internet",
            "smb-to-internet"
        ]
    );
    for document in &ended.documents {
        assert_eq!(text(document, pointer), end.to_string());
    }
}
