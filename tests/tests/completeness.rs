//! A session of which every message was read is said to be complete.

use sensor_lab::{Smbd, Topology, address, require_lab};
use sensor_tests::{Agent, smb_session};

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
