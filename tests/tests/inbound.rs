//! An external client reaches Windows networking on an internal machine.

use std::net::UdpSocket;
use std::time::Duration;

use sensor_lab::{Answer, Smbd, TcpListener, Topology, UdpResponder, address, require_lab};
use sensor_tests::{
    Agent, EvidenceLevel, connect, echo, evidence, has_finding, number, reaches, smb_session, text, texts,
};

const RULE: &str = "external-access-windows-networking";

#[test]
fn real_inbound_session_is_one_critical_incident_of_an_accepted_logon() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.client()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    smb_session(border.server(), address::CLIENT_V4).unwrap();
    agent.wait_for(reaches(RULE, EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), [RULE, "external-logon-accepted", "windows-networking-exposed"]);
    let alert = ended.found(RULE).unwrap();
    assert_eq!(texts(alert, "/threat/technique/id"), ["T1048", "T1078", "T1133"]);
    assert_eq!(text(alert, "/source/ip"), address::SERVER_V4.to_string());
    assert_eq!(text(alert, "/destination/ip"), address::CLIENT_V4.to_string());
    assert_eq!(number(alert, "/destination/port"), 445);
    assert_eq!(text(alert, "/network/direction"), "inbound");
    assert!(evidence(alert) >= Some(EvidenceLevel::Smb), "{alert:#}");
    assert!(number(alert, "/smb_sensor/volume/left_bytes") > 500, "what the internal server sent");
}

#[test]
fn inbound_exchange_without_netbios_alerts_as_an_attempt() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let answer = Answer::Bytes(vec![0; 60]);
    let responder = UdpResponder::start(border.client(), (address::CLIENT_V4, 137), answer).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let socket = border.server().run(|| UdpSocket::bind((address::SERVER_V4, 0))).unwrap().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(&[0; 50], responder.address()).unwrap();
    socket.recv(&mut [0; 100]).unwrap();
    agent.wait_for(has_finding(RULE, "attempt")).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), [RULE]);
    let alert = ended.found(RULE).unwrap();
    assert_eq!(text(alert, "/network/transport"), "udp");
    assert_eq!(number(alert, "/destination/port"), 137);
    assert_eq!(texts(alert, "/smb_sensor/incident/services"), ["netbios"]);
    assert_eq!(
        text(alert, "/smb_sensor/incident/evidence"),
        "attempt",
        "whatever that was, no NetBIOS answered"
    );
    assert_eq!(number(alert, "/smb_sensor/volume/came_bytes"), 50);
    assert_eq!(number(alert, "/smb_sensor/volume/left_bytes"), 60);
}

#[test]
fn inbound_connection_to_the_endpoint_mapper_alerts() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let mapper = TcpListener::start(border.client(), (address::CLIENT_V4, 135), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let mut stream = connect(border.server(), mapper.address()).unwrap();
    echo(&mut stream, &[5; 72]).unwrap();
    agent.wait_for(reaches(RULE, EvidenceLevel::Connected)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), [RULE, "windows-networking-exposed"]);
    let alert = ended.found(RULE).unwrap();
    assert!(!texts(alert, "/threat/technique/id").contains(&"T1190"), "no exploit: {alert:#}");
    assert_eq!(texts(alert, "/smb_sensor/incident/services"), ["dce_rpc"]);
    assert_eq!(number(alert, "/smb_sensor/volume/came_bytes"), 72);
}
