//! A destination is rare once: what was seen is known from then on, also after a restart.

use std::net::Ipv4Addr;

use sensor_lab::{Answer, TcpListener, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, Ended, SMB2_MESSAGE, connect, echo, finds, text};

const RARE: &str = "rare-smb-destination";
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);

#[test]
#[ignore = "expects an incident of its own after a restart, where the same one goes on"]
fn a_destination_is_rare_once_not_after_a_restart_and_again_without_the_store() {
    require_lab!(Network);
    let border = Topology::builder().server_address(OTHER_SERVER).build().unwrap();
    let _server = TcpListener::start(border.server(), (Ipv4Addr::UNSPECIFIED, 445), Answer::Echo).unwrap();
    let store = scratch_dir().unwrap();
    let run = |state_dir: Option<&std::path::Path>, servers: &[Ipv4Addr]| {
        let mut agent = Agent::on(border.gateway(), "lan0").config("flow_documents = true\n");
        if let Some(path) = state_dir {
            agent = agent.state_dir(path);
        }
        let agent = agent.start().unwrap();
        for (already, server) in servers.iter().enumerate() {
            let mut stream = connect(border.client(), (*server, 445)).unwrap();
            echo(&mut stream, &[7; 100]).unwrap();
            drop(stream);
            let ended = || agent.documents().iter().filter(|one| is_flow(one)).count();
            agent.wait_for(|_| ended() > already).unwrap();
        }
        agent.stop().unwrap()
    };
    let (first, second) = (address::SERVER_V4, OTHER_SERVER);

    assert_eq!(rare(&run(Some(store.path()), &[first, first, first])), [first.to_string()]);
    let restarted = run(Some(store.path()), &[first, second, first]);
    assert_eq!(rare(&restarted), [second.to_string()], "the first is known, the second is new");
    assert!(restarted.log.contains("1 destinations known"), "{}", restarted.log);
    assert!(rare(&run(Some(store.path()), &[first, second])).is_empty());
    assert_eq!(rare(&run(None, &[first])), [first.to_string()], "an empty store knows nothing");
}

/// Destinations that were found to be rare: those that the facts of the findings name.
#[expect(clippy::unwrap_used, reason = "a fact without its address fails the test")]
fn rare(ended: &Ended) -> Vec<String> {
    let mut rare = Vec::new();
    for document in &ended.documents {
        let findings = document.pointer("/smb_sensor/findings").and_then(serde_json::Value::as_array);
        for finding in findings.into_iter().flatten().filter(|one| text(one, "/rule") == RARE) {
            let (_, after) = text(finding, "/fact").rsplit_once("connection with ").unwrap();
            let address = after.split(' ').next().unwrap().to_owned();
            if !rare.contains(&address) {
                rare.push(address);
            }
        }
    }
    rare
}

fn is_flow(document: &serde_json::Value) -> bool {
    text(document, "/event/action") == "network_flow"
}

#[test]
#[ignore = "expects an incident of its own after a restart, where the same one goes on"]
fn while_it_learns_no_destination_is_rare_and_what_it_learnt_is_known_after_a_restart() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let store = scratch_dir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").learning().state_dir(store.path()).start().unwrap();
    let mut stream = connect(border.client(), server.address()).unwrap();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    drop(stream);
    agent.wait_for(|document| finds(document, "smb-to-internet")).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), ["smb-to-internet"]);
    let until = text(ended.found("smb-to-internet").unwrap(), "/smb_sensor/learning_until");
    assert!(ended.log.contains(&format!("learning until {until}")), "{}", ended.log);

    let agent = Agent::on(border.gateway(), "lan0").state_dir(store.path()).start().unwrap();
    echo(&mut connect(border.client(), server.address()).unwrap(), &SMB2_MESSAGE).unwrap();
    agent.wait_for(|document| finds(document, "smb-to-internet")).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), ["smb-to-internet"], "learnt before");
    let alert = ended.found("smb-to-internet").unwrap();
    assert!(alert.pointer("/smb_sensor/learning_until").is_none(), "{alert:#}");
}
