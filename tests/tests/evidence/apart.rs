//! What needs a stage of its own: an agent on the client itself, and an agent that sees nothing but internal sessions.

use sensor_lab::{Smbclient, Smbd, Topology, USER, address, require_lab};
use sensor_tests::{Agent, EvidenceLevel, number, reaches, smb_session, text, texts};

#[test]
fn through_tc_large_sends_come_in_one_piece_and_are_counted_and_read_all_the_same() {
    require_lab!();
    const SENT: usize = 5 << 20;
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let config = "[detection]\ndata_leaving_bytes = 1048576\n";
    let agent =
        Agent::on(border.client(), "eth0").config(config).arguments(&["--ingress", "tc"]).start().unwrap();
    let client = Smbclient::new(border.client(), address::SERVER_V4);
    assert!(client.put("large.bin", &vec![0x5A; SENT]).unwrap().success());
    agent.wait_for(reaches("data-leaving-over-smb", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    let alert = ended.found("data-leaving-over-smb").unwrap();
    let (bytes, packets) = (number(alert, "/source/bytes"), number(alert, "/source/packets"));
    assert!(
        bytes / packets > 3_000,
        "no segment was larger than the MTU: {bytes} bytes in {packets} packets"
    );
    let left = number(alert, "/smb_sensor/volume/left_bytes");
    // What is sent again counts again: it left.
    assert!(left > SENT as u64 && left < 2 * SENT as u64, "{left}");
    assert_eq!(text(alert, "/source/user/name"), USER);
    assert!(texts(alert, "/threat/technique/id").contains(&"T1048"));
    assert_eq!(ended.number("unaccounted").unwrap(), 0, "{}", ended.statistics);
}

#[test]
fn the_internal_twin_of_a_session_says_nothing() {
    require_lab!();
    let border = Topology::builder().lan_server().build().unwrap();
    let _smbd = Smbd::start(border.lan_server().unwrap()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    smb_session(border.client(), address::LAN_SERVER_V4).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert_eq!(ended.number("payload").unwrap(), 0, "nor is any of it read: {}", ended.statistics);
}
