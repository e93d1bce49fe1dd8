//! Positions of the sensor: on several interfaces of a gateway, or on a host's own network card.

use sensor_lab::{Answer, Smbd, TcpListener, Topology, address, require_lab};
use sensor_tests::{
    Agent, EvidenceLevel, SMB2_MESSAGE, connect, echo, has_finding, number, reaches, smb_session, text,
};

#[test]
fn connection_on_two_watched_interfaces_is_one_incident_and_counts_once() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0,wan0").start().unwrap();
    let warning = agent.wait_for_log("interface wan0 is on 8.8.4.0/24, which is not internal").unwrap();
    assert!(warning.contains("--internal 8.8.4.0/24"), "{warning}");
    let mut stream = connect(border.client(), server.address()).unwrap();
    echo(&mut stream, &[7; 100]).unwrap();
    drop(stream);
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Connected)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), ["rare-smb-destination", "smb-to-internet"]);
    let alert = ended.found("smb-to-internet").unwrap();
    assert_eq!(number(alert, "/smb_sensor/volume/left_bytes"), 100);
    assert_eq!(number(alert, "/smb_sensor/volume/came_bytes"), 100);
    let (kept, packets) = (ended.number("kept").unwrap(), number(alert, "/network/packets"));
    assert_eq!(kept, 2 * packets, "each packet passed both interfaces: {}", ended.statistics);
    assert_eq!(ended.number("accounted").unwrap(), kept);
}

#[test]
fn sees_both_directions_of_a_host_session_on_its_own_card() {
    require_lab!();
    let border = Topology::border().unwrap();
    let smbd = Smbd::start(border.server()).unwrap();
    smbd.create_large_file("large.bin", 2).unwrap();
    let agent = Agent::on(border.client(), "eth0").start().unwrap();
    let client = sensor_lab::Smbclient::new(border.client(), address::SERVER_V4);
    assert!(client.get("large.bin").unwrap().success());
    assert!(client.put("sent.bin", &vec![0x5a; 1 << 20]).unwrap().success());
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert_eq!(number(incident, "/smb_sensor/incident/connections"), 2, "{incident:#}");
    assert_eq!(incident["smb_sensor"]["smb"]["one_sided"], false);
    assert!(number(incident, "/smb_sensor/volume/came_bytes") > 2 << 20, "super-frames count whole");
    assert!(number(incident, "/smb_sensor/volume/left_bytes") > 1 << 20, "super-frames count whole");
    assert_eq!(ended.number("kept").unwrap(), ended.number("accounted").unwrap());
}

#[test]
fn recognises_smb_of_a_local_packet_with_payload_in_pages() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    // The level needs a message of each side: the echo alone, or the outgoing one alone, is not enough.
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.client(), "eth0").start().unwrap();
    let mut stream = connect(border.client(), server.address()).unwrap();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    agent.wait_for(has_finding("smb-to-internet", "smb")).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/evidence"), "smb");
    assert_eq!(number(incident, "/smb_sensor/volume/left_bytes"), SMB2_MESSAGE.len() as u64);
    assert_eq!(number(incident, "/smb_sensor/volume/came_bytes"), SMB2_MESSAGE.len() as u64);
}

#[test]
fn inbound_session_to_a_host_alerts_on_its_own_card() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.client()).unwrap();
    let agent = Agent::on(border.client(), "eth0").start().unwrap();
    smb_session(border.server(), address::CLIENT_V4).unwrap();
    agent.wait_for(reaches("external-access-windows-networking", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(text(ended.only().unwrap(), "/network/direction"), "inbound");
}
