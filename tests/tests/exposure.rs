//! Servers that answer strangers: the list of `smb-sensor exposure` for a real one, and the incidents.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    process::Command,
    time::Duration,
};

use sensor_common::slot::tcp;
use sensor_lab::{
    Answer, COMPUTER, Nmbd, Smbclient, Smbd, TcpListener, Topology, address, poll, require_lab, scratch_dir,
};
use sensor_tests::{
    Agent, Ended, EvidenceLevel, PATIENCE, connect, echo, reaches, replayed, scenario::Tape, text,
};
use sensor_user::{config::Config, replay::EngineChoice};
use serde_json::{Value, json};

const RULE: &str = "external-access-windows-networking";

/// What the command prints about the database in this directory.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn exposure(state_dir: &std::path::Path, flags: &[&str]) -> String {
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.arg("exposure").args(flags).arg("--state-dir").arg(state_dir).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The connections of all incidents in which the server answered.
fn answered_connections(ended: &Ended) -> Vec<&Value> {
    let incidents = ended.incidents().into_iter();
    let connections = incidents.filter_map(|one| one.pointer("/smb_sensor/connections")?.as_array());
    let answered = Some(EvidenceLevel::Answered);
    let is_answered = |one: &&Value| EvidenceLevel::named(text(one, "/evidence")) >= answered;
    connections.flatten().filter(is_answered).collect()
}

#[test]
fn every_weak_point_of_an_exposed_server_is_listed() {
    require_lab!();
    let border = Topology::border().unwrap();
    let smbd = Smbd::builder().guest().start(border.client()).unwrap();
    let mapper = TcpListener::start(border.client(), (address::CLIENT_V4, 135), Answer::Echo).unwrap();
    let _nmbd = Nmbd::start(border.client(), address::CLIENT_V4).unwrap();
    let state = scratch_dir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let client = || Smbclient::new(border.server(), address::CLIENT_V4);
    assert!(client().list_shares().unwrap().success());
    assert!(client().anonymous().protocol("NT1").list_shares().unwrap().success());
    assert!(client().port(139).list_shares().unwrap().success());
    echo(&mut connect(border.server(), mapper.address()).unwrap(), &[5; 72]).unwrap();
    let asked = border.server().command("nmblookup").args(["-s", "/dev/null", "-A", "10.0.0.2"]).output();
    assert!(String::from_utf8_lossy(&asked.unwrap().stdout).contains(COMPUTER));
    agent.wait_for(reaches(RULE, EvidenceLevel::Share)).unwrap();
    drop(smbd);
    // A port that refuses is not one that answers.
    let refuses = || connect(border.server(), (address::CLIENT_V4, 139)).is_err().then_some(());
    poll(PATIENCE, refuses).expect("nobody listens any more");
    let ended = agent.stop().unwrap();

    let host: Value = serde_json::from_str(&exposure(state.path(), &["--json"])).unwrap();
    assert_eq!(host["host"], "10.0.0.2");
    assert_eq!(host["ports"], json!(["135/tcp", "137/udp", "139/tcp", "445/tcp"]));
    assert_eq!((&host["external_hosts"], &host["at_least"]), (&json!(1), &json!(false)));
    assert_eq!(host["evidence"], "share");
    assert_eq!(host["dialects"], json!(["3.1.1", "NT LANMAN 1.0"]));
    assert_eq!(host["signing"], json!(["enabled", "off"]));
    assert_eq!((&host["smb1"], &host["anonymous"]), (&json!(true), &json!(true)));
    // From the first packet of a connection in which it answered to the last.
    let answered = answered_connections(&ended);
    let times = |which: &'static str| answered.iter().map(move |one| one[which].as_str());
    assert_eq!(host["since"].as_str(), times("first").min().flatten(), "{answered:#?}");
    assert_eq!(host["last"].as_str(), times("last").max().flatten(), "{answered:#?}");
    assert_ne!(host["since"], host["last"]);
    let signing = ended.documents.iter().rev().find_map(|one| one.pointer("/smb_sensor/smb/server_signing"));
    assert_eq!(signing, Some(&json!(["enabled", "off"])));
    let text = exposure(state.path(), &[]);
    assert!(text.contains("135/tcp 137/udp 139/tcp 445/tcp"), "{text}");
    assert!(text.contains("3.1.1 NT LANMAN 1.0  enabled off  seen   seen"), "{text}");
    let csv = exposure(state.path(), &["--csv"]);
    assert!(csv.contains(",1,false,share,3.1.1 NT LANMAN 1.0,enabled off,true,true,"), "{csv}");
}

#[test]
fn server_that_requires_signing_and_a_user_has_no_weak_point() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::builder().global("server signing = mandatory").start(border.client()).unwrap();
    let state = scratch_dir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    assert!(Smbclient::new(border.server(), address::CLIENT_V4).list_shares().unwrap().success());
    assert!(connect(border.server(), (address::CLIENT_V4, 135)).is_err());
    agent.wait_for(reaches(RULE, EvidenceLevel::Share)).unwrap();
    agent.stop().unwrap();
    let host: Value = serde_json::from_str(&exposure(state.path(), &["--json"])).unwrap();
    assert_eq!((&host["ports"], &host["signing"]), (&json!(["445/tcp"]), &json!(["required"])));
    assert_eq!((&host["smb1"], &host["anonymous"]), (&json!(false), &json!(false)));
}

#[test]
fn first_sight_of_a_port_is_an_incident_and_later_ones_are_not() {
    let mut tape = Tape::default();
    let ports = [
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, 2), 445),
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, 2), 139),
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, 3), 445),
    ];
    // Every two hours another stranger takes the answer of each and goes, for five days. Incidents are closed meanwhile.
    for round in 0..60_u8 {
        for (number, server) in (0..).zip(ports) {
            tape.wait_until(Duration::from_secs(7_200 * u64::from(round) + 600 * number));
            let client = SocketAddrV4::new(Ipv4Addr::new(8, 8, 100 + number as u8, round), 50_000);
            tape.segment(client, server, tcp::SYN, (1_000, 0));
            tape.segment(server, client, tcp::SYN | tcp::ACK, (5_000, 1_001));
            tape.segment(client, server, tcp::RST, (1_001, 0));
        }
    }
    let scratch = scratch_dir().unwrap();
    let capture = scratch.path().join("strangers.pcap");
    fs::write(&capture, tape.pcap()).unwrap();
    let documents = replayed(&capture, EngineChoice::Host, &Config::default()).unwrap().documents;
    let of_kind = |kind: &str| -> Vec<&Value> {
        let of_incidents =
            documents.iter().filter(|one| text(one, "/event/dataset") == "smb_sensor.incident");
        of_incidents.filter(|one| text(one, "/event/kind") == kind).collect()
    };
    let alerts = of_kind("alert");
    let alerted: Vec<_> = alerts
        .iter()
        .map(|one| {
            (text(one, "/event/action"), text(one, "/destination/ip"), one["destination"]["port"].clone())
        })
        .collect();
    assert_eq!(
        alerted,
        ports.map(|port| {
            let opened = "incident-opened";
            (opened, if port.ip().octets()[3] == 2 { "10.0.1.2" } else { "10.0.1.3" }, json!(port.port()))
        })
    );
    // Once a day the counts, and the end.
    let updates = of_kind("event").len();
    assert!(updates <= 3 * 8, "{updates} updates");
    for incident in alerts.iter().map(|one| text(one, "/smb_sensor/incident/id")) {
        let last = documents.iter().rfind(|one| text(one, "/smb_sensor/incident/id") == incident).unwrap();
        assert_eq!(last.pointer("/smb_sensor/incident/external_count"), Some(&json!(60)), "{last:#}");
    }
}
