//! What was only counted when the agent was killed.

use std::net::{Ipv4Addr, SocketAddrV4};

use sensor_lab::{RawSocket, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, number, syn_frame, text};
use serde_json::Value;

use super::journalled;

/// Machines that try one connection each; a hundred of them have an alert of their own.
const CLIENTS: u8 = 150;

#[test]
fn the_counts_of_a_window_that_was_open_when_the_agent_was_killed_are_told_once_by_the_next() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    let agent = || {
        let agent = Agent::on(border.gateway(), "lan0").config("statistics_interval = 1\n");
        agent.state_dir(&state).start().unwrap()
    };
    let socket = RawSocket::open(border.client(), "eth0").unwrap();
    let macs = (border.client().mac_address("eth0").unwrap(), border.gateway().mac_address("lan0").unwrap());
    let killed = agent();
    for client in 0..CLIENTS {
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 7, client), 40_000);
        socket.send(&syn_frame(macs, from, SocketAddrV4::new(Ipv4Addr::new(8, 8, 8, 8), 445))).unwrap();
    }
    // They are kept in the second in which they are counted.
    let counted = || killed.log().lines().filter(|line| line.contains(" suppressed=50 ")).count() >= 3;
    poll(PATIENCE, || counted().then_some(())).unwrap_or_else(|| panic!("{}", killed.log()));
    killed.kill().unwrap();
    for _ in 0..2 {
        assert_eq!(agent().stop().unwrap().code, Some(0));
        let documents = journalled(&state, &[]);
        let is_summary = |document: &&Value| text(document, "/event/dataset") == "smb_sensor.suppression";
        let summaries: Vec<_> = documents.iter().filter(is_summary).collect();
        let [summary] = summaries[..] else { panic!("{summaries:#?}") };
        let told = &summary["smb_sensor"]["suppression"];
        assert_eq!((number(told, "/written"), number(told, "/suppressed")), (100, 50), "{summary:#}");
        assert_eq!(number(told, "/by_evidence/attempt"), 50, "{summary:#}");
        assert!(text(told, "/reason").starts_with("the sensor ended before the window did"), "{summary:#}");
    }
}
