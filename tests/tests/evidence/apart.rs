//! Tests with a stage of their own: an agent on the client itself, and an agent that sees only internal sessions.

use crate::expected::{flow_of, is_flow};
use sensor_lab::{Smbclient, Smbd, Topology, USER, address, require_lab};
use sensor_tests::{Agent, has_finding, number, smb_session, text, texts};

#[test]
fn counts_and_reads_large_sends_through_tc() {
    require_lab!();
    const SENT: usize = 5 << 20;
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let config = "flow_documents = true\n[detection]\ndata_leaving_bytes = 1048576\n";
    let agent =
        Agent::on(border.client(), "eth0").config(config).arguments(&["--ingress", "tc"]).start().unwrap();
    let client = Smbclient::new(border.client(), address::SERVER_V4);
    assert!(client.put("large.bin", &vec![0x5A; SENT]).unwrap().success());
    agent.wait_for(is_flow).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert!(has_finding("data-leaving-over-smb", "data")(incident), "{incident:#}");
    let flow = flow_of(&ended);
    let (bytes, packets) = (number(flow, "/source/bytes"), number(flow, "/source/packets"));
    assert!(
        bytes / packets > 3_000,
        "no segment was larger than the MTU: {bytes} bytes in {packets} packets"
    );
    let left = number(flow, "/smb_sensor/evidence/left_bytes");
    // A byte that is sent again counts once, unless another CPU sees it than before.
    assert!(left > SENT as u64 && left < 2 * SENT as u64, "{left}");
    assert_eq!(text(incident, "/source/user/name"), USER);
    assert!(texts(incident, "/threat/technique/id").contains(&"T1048"));
    assert_eq!(ended.number("unaccounted").unwrap(), 0, "{}", ended.statistics);
}

#[test]
fn internal_twin_of_a_session_reports_nothing() {
    require_lab!();
    let border = Topology::builder().lan_server().build().unwrap();
    let _smbd = Smbd::start(border.lan_server().unwrap()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    smb_session(border.client(), address::LAN_SERVER_V4).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert_eq!(ended.number("payload").unwrap(), 0, "nor is any of it read: {}", ended.statistics);
}
