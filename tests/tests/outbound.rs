//! An internal client uses SMB with a server on the Internet: the sensor on the gateway's LAN side reports it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, SystemTime};

use sensor_lab::{
    Answer, RawSocket, Smbclient, Smbd, TcpListener, Topology, WebServer, address, curl, require_lab,
};
use sensor_tests::{
    Agent, EvidenceLevel, SMB2_MESSAGE, connect, echo, evidence, has_finding, number, reaches, session_of,
    smb_session, syn_frame, text, texts,
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const BOTH: [&str; 2] = ["rare-smb-destination", "smb-to-internet"];

/// The findings of a session that logs on and fetches a file.
const OF_A_FETCH: [&str; 4] =
    ["ntlm-credential-to-internet", "rare-smb-destination", "smb-download-from-internet", "smb-to-internet"];

#[test]
fn real_session_is_one_incident_with_evidence_times_and_technique() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let began = OffsetDateTime::from(SystemTime::now());
    smb_session(border.client(), address::SERVER_V4).unwrap();
    let over = OffsetDateTime::from(SystemTime::now());
    agent.wait_for(has_finding("smb-to-internet", "data")).unwrap();
    let ended = agent.stop().unwrap();

    assert_eq!(ended.rules(), OF_A_FETCH);
    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/evidence"), "data");
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "critical", "the credential was accepted");
    assert_eq!(text(incident, "/rule/id"), "ntlm-credential-to-internet", "the leading finding");
    assert_eq!(incident["smb_sensor"]["smb"]["one_sided"], false);
    assert!(number(incident, "/smb_sensor/volume/came_bytes") > 500, "{incident:#}");
    assert!(number(incident, "/smb_sensor/volume/left_bytes") > 500, "{incident:#}");
    assert_eq!(texts(incident, "/threat/technique/id"), ["T1105", "T1187"]);
    assert_eq!(texts(incident, "/threat/tactic/id"), ["TA0011", "TA0006"]);
    assert_eq!(text(incident, "/source/ip"), address::CLIENT_V4.to_string());
    assert!(number(incident, "/source/port") > 1024);
    assert_eq!(text(incident, "/destination/ip"), address::SERVER_V4.to_string());
    assert_eq!(number(incident, "/destination/port"), 445);
    assert_eq!(text(incident, "/network/direction"), "outbound");
    assert_eq!(text(incident, "/network/protocol"), "smb");
    // Version 1 and the base64 of a SHA-1.
    let community_id = text(incident, "/network/community_id");
    assert!(community_id.starts_with("1:") && community_id.len() == 30, "{community_id}");
    assert_eq!(text(incident, "/observer/ingress/interface/name"), "lan0");

    let start = OffsetDateTime::parse(text(incident, "/event/start"), &Rfc3339).unwrap();
    // The kernel's clock ticks coarsely.
    let during = began - Duration::from_millis(100)..=over;
    assert!(during.contains(&start), "the session was between {began} and {over}, reported is {start}");
    let sequences: Vec<u64> =
        ended.documents.iter().map(|document| number(document, "/event/sequence")).collect();
    let expected: Vec<u64> = (1..=sequences.len() as u64).collect();
    assert_eq!(sequences, expected, "documents of one incident count up");
    let alerts: Vec<u64> = ended
        .documents
        .iter()
        .filter(|document| text(document, "/event/kind") == "alert")
        .map(|document| number(document, "/event/severity"))
        .collect();
    assert!(alerts.is_sorted_by(|one, next| one < next), "an alert for each rise of severity: {alerts:?}");
    assert_eq!(ended.code, Some(0));
}

#[test]
fn netbios_session_on_port_139_alerts() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    session_of(&Smbclient::new(border.client(), address::SERVER_V4).port(139)).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), OF_A_FETCH);
    let alert = ended.found("smb-to-internet").unwrap();
    assert_eq!(number(alert, "/destination/port"), 139);
    assert!(evidence(alert) >= Some(EvidenceLevel::Smb), "{alert:#}");
}

#[test]
fn session_over_ipv6_alerts() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    smb_session(border.client(), address::SERVER_V6).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), OF_A_FETCH);
    let alert = ended.found("smb-to-internet").unwrap();
    assert_eq!(text(alert, "/source/ip"), address::CLIENT_V6.to_string());
    assert_eq!(text(alert, "/destination/ip"), address::SERVER_V6.to_string());
    assert_eq!(text(alert, "/network/type"), "ipv6");
    assert!(evidence(alert) >= Some(EvidenceLevel::Smb), "{alert:#}");
}

#[test]
fn recognises_a_session_on_an_unwatched_port_by_its_messages() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::builder().ports(&[4445]).start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    session_of(&Smbclient::new(border.client(), address::SERVER_V4).port(4445)).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    let mut rules = [&OF_A_FETCH[..], &["smb-on-another-port"]].concat();
    rules.sort_unstable();
    assert_eq!(ended.rules(), rules);
    let alert = ended.found("smb-to-internet").unwrap();
    assert_eq!(text(alert, "/source/ip"), address::CLIENT_V4.to_string());
    assert_eq!(number(alert, "/destination/port"), 4445);
    assert_eq!(texts(alert, "/threat/technique/id"), ["T1105", "T1187", "T1571"]);
}

#[test]
fn ignores_a_session_on_an_unwatched_port_when_only_ports_are_watched() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::builder().ports(&[4445]).start(border.server()).unwrap();
    let config = "[services]\nsmb_any_port = false\n";
    let agent = Agent::on(border.gateway(), "lan0").config(config).start().unwrap();
    session_of(&Smbclient::new(border.client(), address::SERVER_V4).port(4445)).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert_eq!(ended.number("seen").unwrap(), 0);
}

#[test]
fn configured_smb_port_alerts_and_replaces_the_defaults() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::builder().ports(&[445, 4445]).start(border.server()).unwrap();
    let config = "[services]\nsmb_tcp = [4445]\nsmb_any_port = false\n";
    let agent = Agent::on(border.gateway(), "lan0").config(config).start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    session_of(&Smbclient::new(border.client(), address::SERVER_V4).port(4445)).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), OF_A_FETCH);
    assert_eq!(number(ended.found("smb-to-internet").unwrap(), "/destination/port"), 4445);
}

#[test]
fn closed_port_is_a_refusal_without_a_technique() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    connect(border.client(), (address::SERVER_V4, 445)).unwrap_err();
    agent.wait_for(has_finding("smb-to-internet", "refused")).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), BOTH);
    let alert = ended.found("smb-to-internet").unwrap();
    assert_eq!(text(alert, "/smb_sensor/incident/evidence"), "refused");
    assert!(alert.get("threat").is_none(), "{alert:#}");
}

#[test]
fn unanswered_syn_is_an_attempt_without_a_technique() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let nowhere = Ipv4Addr::new(8, 8, 9, 9);
    border.gateway().ip(&format!("route add blackhole {nowhere}")).unwrap();
    let config = "[detection]\nattempt_settle = 1\n";
    let agent = Agent::on(border.gateway(), "lan0").config(config).start().unwrap();
    let macs = (border.client().mac_address("eth0").unwrap(), border.gateway().mac_address("lan0").unwrap());
    let from = SocketAddrV4::new(address::CLIENT_V4, 50_000);
    let syn = syn_frame(macs, from, SocketAddrV4::new(nowhere, 445));
    let socket = RawSocket::open(border.client(), "eth0").unwrap();
    let began = SystemTime::now();
    // Alone: a stack would send it again after a second.
    socket.send(&syn).unwrap();
    let alert = agent.wait_for(has_finding("smb-to-internet", "attempt")).unwrap();
    assert!(began.elapsed().unwrap() >= Duration::from_secs(1), "it is given time to be answered");
    assert!(alert.get("threat").is_none(), "{alert:#}");
    assert_eq!(number(&alert, "/event/severity"), 21, "{alert:#}");
    assert_eq!(number(&alert, "/network/packets"), 1);
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), BOTH);
    assert!(ended.documents.iter().all(|document| document.get("threat").is_none()));
}

#[test]
fn incident_opens_and_escalates_while_the_session_is_open() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = SocketAddr::from((IpAddr::from(address::SERVER_V4), 445));
    let _listener = TcpListener::start(border.server(), server, Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let mut stream = connect(border.client(), server).unwrap();
    let first = agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Answered)).unwrap();
    assert_eq!(text(&first, "/event/action"), "incident-opened");
    assert_eq!((text(&first, "/event/kind"), number(&first, "/event/severity")), ("alert", 21));
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    let second = agent.wait_for(has_finding("smb-to-internet", "smb")).unwrap();
    assert_eq!(text(&second, "/event/action"), "incident-escalated");
    assert_eq!((text(&second, "/event/kind"), number(&second, "/event/severity")), ("alert", 73));
    assert_eq!(
        text(&first, "/smb_sensor/incident/id"),
        text(&second, "/smb_sensor/incident/id"),
        "one incident"
    );
    // It is still open, as its use proves.
    echo(&mut stream, &[7; 100]).unwrap();
    assert!(agent.documents().iter().all(|d| text(d, "/smb_sensor/incident/status") != "closed"));
}

#[test]
fn incident_counts_are_exact_when_the_agent_ends() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = SocketAddr::from((address::SERVER_V4, 445));
    let _listener = TcpListener::start(border.server(), server, Answer::Echo).unwrap();
    let config = "flow_documents = true\n[detection]\nattempt_settle = 1\n";
    let agent = Agent::on(border.gateway(), "lan0").config(config).start().unwrap();
    let mut stream = connect(border.client(), server).unwrap();
    echo(&mut stream, &[7; 100]).unwrap();
    drop(stream);
    let flow = agent.wait_for(|document| text(document, "/event/action") == "network_flow").unwrap();
    assert_eq!(number(&flow, "/smb_sensor/evidence/left_bytes"), 100);
    assert_eq!(number(&flow, "/smb_sensor/evidence/came_bytes"), 100);
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), BOTH, "the end of the run finds nothing anew");
    let incident = ended.only().unwrap();
    assert_eq!(number(incident, "/smb_sensor/volume/left_bytes"), 100, "{incident:#}");
    assert_eq!(number(incident, "/smb_sensor/volume/came_bytes"), 100, "{incident:#}");
    for document in [&flow, incident] {
        assert_eq!(number(document, "/network/packets"), ended.number("kept").unwrap(), "{document:#}");
    }
}

#[test]
fn server_that_a_client_asks_for_in_tls_is_named() {
    require_lab!(WebDav);
    let border = Topology::border().unwrap();
    let _server = WebServer::start(border.server(), 445, true).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config("flow_documents = true\n").start().unwrap();
    let resolved = format!("Vpn.Example.com:445:{}", address::SERVER_V4);
    let fetched =
        curl(border.client(), &["--insecure", "--resolve", &resolved, "https://Vpn.Example.com:445/"])
            .unwrap();
    assert!(fetched.success(), "{fetched:?}");
    let names = |document: &Value| text(document, "/tls/client/server_name") == "vpn.example.com";
    agent.wait_for(|one| names(one) && text(one, "/event/action") == "network_flow").unwrap();
    let incident = agent.wait_for(|one| names(one) && evidence(one).is_some()).unwrap();
    let said = "connected to TCP 445 of 8.8.4.4 (vpn.example.com) and spoke TLS, not SMB";
    assert!(text(&incident, "/message").contains(said), "{incident:#}");
    agent.stop().unwrap();
}
