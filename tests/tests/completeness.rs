//! A session is reported as complete only if every message of it was read.

use std::thread;

use sensor_lab::{PythonClient, SHARE, Smbd, Topology, USER, address, require_lab, skip};
use sensor_tests::{Agent, smb_session, text};

#[test]
fn session_of_smbclient_is_complete() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config("flow_documents = true\n").start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    let ended = agent.stop().unwrap();
    // The kernel marks a side as speaking SMB before the agent has its message: only the last document counts.
    let last = ended.documents.iter().rfind(|document| document["smb_sensor"]["incident"].is_object());
    let smb = &last.expect("there is an incident")["smb_sensor"]["smb"];
    assert_eq!(smb["complete"], true, "{smb}");
    assert_eq!(smb["one_sided"], false, "{smb}");
}

#[test]
fn session_whose_messages_are_spread_over_two_cpus_is_complete() {
    require_lab!(Python);
    if thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        let test = "completeness::session_whose_messages_are_spread_over_two_cpus_is_complete";
        return skip(test, "this machine has one CPU");
    }
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config("flow_documents = true\n").start().unwrap();
    // A veth carries a packet on the CPU of its sender: one CPU sees session headers alone, the other one what follows them.
    let client = PythonClient::smbprotocol(border.client(), address::SERVER_V4).halt_after(4).change_cpu();
    let outcome = client.run(&[&format!("tree:{SHARE}")]).unwrap();
    assert!(outcome.success(), "{outcome:?}");
    let flow = agent.wait_for(|document| text(document, "/event/dataset") == "network_traffic.flow").unwrap();
    let evidence = &flow["smb_sensor"]["evidence"];
    assert_eq!((text(evidence, "/level"), &evidence["complete"]), ("share", &true.into()), "{flow:#}");
    assert_eq!(
        (text(&flow, "/smb_sensor/credentials/0/user"), text(&flow, "/event/outcome")),
        (USER, "success"),
        "{flow:#}"
    );
    agent.stop().unwrap();
}
