use std::process::Command;

use sensor_lab::{Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, connect, finds, has_finding, number, text, texts};
use serde_json::{Value, json};

use crate::peers::{Admission, NAME, Peers, SETTLE, long_offer, offer_in_two_packets, only};

const MEBIBYTE: usize = 1 << 20;

#[test]
fn smb_over_quic_to_the_internet_is_one_incident_with_name_and_volume() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let peers = Peers::new();
    let server = peers.serve(border.server(), (address::SERVER_V4, 443), &["smb"], Admission::AtOnce);
    let agent = Agent::on(border.gateway(), "lan0").config(SETTLE).start().unwrap();
    // A connection is counted from the moment at which the agent has read its offer.
    let wait_for_offer = || drop(agent.wait_for(|document| finds(document, "smb-over-quic")).unwrap());
    assert!(peers.send_after(wait_for_offer, border.client(), server.address, &only("smb"), MEBIBYTE));
    agent.wait_for(has_finding("smb-over-quic", "answered")).unwrap();
    let ended = agent.stop().unwrap();

    let incident = ended.only().unwrap();
    assert_eq!(ended.rules(), ["smb-over-quic"]);
    assert_eq!(number(incident, "/event/severity"), 73);
    assert_eq!(text(incident, "/source/ip"), address::CLIENT_V4.to_string());
    assert_eq!(text(incident, "/destination/ip"), address::SERVER_V4.to_string());
    assert_eq!(number(incident, "/destination/port"), 443);
    assert_eq!(text(incident, "/network/transport"), "udp");
    assert_eq!(text(incident, "/network/protocol"), "quic");
    assert_eq!(text(incident, "/network/direction"), "outbound");
    assert_eq!(text(incident, "/tls/client/server_name"), NAME);
    assert!(incident.get("threat").is_none(), "a mebibyte is not too much: {incident:#}");
    let left = number(incident, "/smb_sensor/volume/left_bytes");
    assert!((MEBIBYTE as u64..2 * MEBIBYTE as u64).contains(&left), "{left}");
    assert!(text(incident, "/message").contains("offered SMB over QUIC"), "{incident:#}");
}

#[test]
fn much_that_leaves_over_quic_is_exfiltration() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let peers = Peers::new();
    let server = peers.serve(border.server(), (address::SERVER_V6, 443), &["smb"], Admission::AtOnce);
    let config = format!("{SETTLE}data_leaving_bytes = 1048576\n");
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    assert!(peers.send(border.client(), server.address, &only("smb"), 2 * MEBIBYTE));
    agent.wait_for(|document| finds(document, "data-leaving-over-smb")).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.rules(), ["data-leaving-over-smb", "smb-over-quic"]);
    assert_eq!(texts(ended.only().unwrap(), "/threat/technique/id"), ["T1048"]);
}

#[test]
fn offers_in_several_packets_and_behind_a_retry_are_read() {
    require_lab!(Network);
    for (protocols, admission) in [
        (long_offer("smb"), Admission::AtOnce),
        (only("smb"), Admission::WithRetry),
        (long_offer("smb"), Admission::WithRetry),
    ] {
        let border = Topology::border().unwrap();
        let peers = Peers::new();
        let server = peers.serve(border.server(), (address::SERVER_V4, 443), &["smb"], admission);
        let agent = Agent::on(border.gateway(), "lan0").config(SETTLE).start().unwrap();
        assert!(peers.send(border.client(), server.address, &protocols, 1_000));
        agent.wait_for(|document| finds(document, "smb-over-quic")).unwrap();
        assert_eq!(agent.stop().unwrap().rules(), ["smb-over-quic"]);
    }
}

#[test]
fn offer_in_two_initial_packets_of_one_datagram_is_read() {
    require_lab!(Network);
    // Both packets are padded to the shortest datagram of a client, so the joined one has twice its length.
    let border = Topology::builder().mtu(4_000).build().unwrap();
    let peers = Peers::new();
    let server = peers.serve(border.server(), (address::SERVER_V4, 443), &["smb"], Admission::AtOnce);
    let agent = Agent::on(border.gateway(), "lan0").config(SETTLE).start().unwrap();
    let relay = peers.join_first_datagrams(border.client(), server.address);
    let wait_for_offer = || drop(agent.wait_for(|document| finds(document, "smb-over-quic")).unwrap());
    let offer = offer_in_two_packets("smb");
    assert!(peers.send_after(wait_for_offer, border.client(), relay, &offer, 1_000));
    agent.wait_for(has_finding("smb-over-quic", "answered")).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert_eq!(ended.rules(), ["smb-over-quic"]);
    assert_eq!(text(incident, "/destination/ip"), address::SERVER_V4.to_string());
    assert_eq!(text(incident, "/tls/client/server_name"), NAME);
}

#[test]
fn offer_that_nobody_answers_is_reported_as_such() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let peers = Peers::new();
    let agent = Agent::on(border.gateway(), "lan0").config(SETTLE).start().unwrap();
    let datagram = peers.first_datagram(border.client(), &only("smb"));
    border.client().run(|| send_to(&datagram, (address::SERVER_V4, 443).into())).unwrap();
    let alert = agent.wait_for(has_finding("smb-over-quic", "attempt")).unwrap();
    assert!(text(&alert, "/message").ends_with("no answer was seen"), "{alert:#}");
    assert_eq!(number(&alert, "/event/severity"), 73);
}

#[test]
fn offer_from_the_internet_is_judged_by_the_answer() {
    require_lab!(Network);
    let border = Topology::builder().lan_server().build().unwrap();
    let peers = Peers::new();
    let inside = border.lan_server().unwrap();
    let server = peers.serve(inside, (address::LAN_SERVER_V4, 443), &["smb"], Admission::AtOnce);
    let state = scratch_dir().unwrap();
    let agent = Agent::on(border.gateway(), "wan0").config(SETTLE).state_dir(state.path()).start().unwrap();
    // A connection is counted from the moment at which the agent has read its offer. On a busy machine a short one may be over.
    for _ in 0..5 {
        assert!(peers.send(border.server(), server.address, &only("smb"), 1_000));
    }
    agent.wait_for(has_finding("smb-over-quic", "answered")).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert_eq!(ended.rules(), ["smb-over-quic"]);
    assert_eq!(text(incident, "/network/direction"), "inbound");
    assert_eq!(number(incident, "/event/severity"), 47);

    let mut exposure = Command::new(Agent::program().unwrap());
    let listed = exposure.args(["exposure", "--json", "--state-dir"]).arg(state.path()).output().unwrap();
    let host: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(host["host"], address::LAN_SERVER_V4.to_string());
    assert_eq!(host["ports"], json!(["443/udp"]));
    assert_eq!(host["evidence"], "answered");
}

/// Windows tries TCP first.
#[test]
fn refused_tcp_and_quic_are_one_incident_with_both_findings() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let peers = Peers::new();
    let server = peers.serve(border.server(), (address::SERVER_V4, 443), &["smb"], Admission::AtOnce);
    let agent = Agent::on(border.gateway(), "lan0").config(SETTLE).start().unwrap();
    connect(border.client(), (address::SERVER_V4, 445)).unwrap_err();
    agent.wait_for(|document| finds(document, "smb-to-internet")).unwrap();
    assert!(peers.send(border.client(), server.address, &only("smb"), 1_000));
    agent.wait_for(|document| finds(document, "smb-over-quic")).unwrap();
    let ended = agent.stop().unwrap();
    let incident = ended.only().unwrap();
    assert_eq!(ended.rules(), ["rare-smb-destination", "smb-over-quic", "smb-to-internet"]);
    assert_eq!(text(incident, "/rule/id"), "smb-over-quic", "the leading finding");
    assert_eq!(number(incident, "/event/severity"), 73);
}

#[test]
fn another_port_is_watched_if_it_is_configured() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let peers = Peers::new();
    let server = peers.serve(border.server(), (address::SERVER_V4, 8443), &["smb"], Admission::AtOnce);
    for (config, rules) in [("", &[][..]), ("[services]\nquic_udp = [443, 8443]\n", &["smb-over-quic"])] {
        let agent = Agent::on(border.gateway(), "lan0").config(&format!("{SETTLE}{config}")).start().unwrap();
        assert!(peers.send(border.client(), server.address, &only("smb"), 1_000));
        if !rules.is_empty() {
            agent.wait_for(|document| finds(document, "smb-over-quic")).unwrap();
        }
        assert_eq!(agent.stop().unwrap().rules(), rules);
    }
}

#[test]
fn web_over_quic_leaves_nothing() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let peers = Peers::new();
    let server = peers.serve(border.server(), (address::SERVER_V4, 443), &["h3"], Admission::AtOnce);
    let agent = Agent::on(border.gateway(), "lan0").config(SETTLE).start().unwrap();
    for protocols in [only("h3"), long_offer("h3")] {
        assert!(peers.send(border.client(), server.address, &protocols, MEBIBYTE));
    }
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    // A client that waits for its answer too long sends its offer again.
    assert!(ended.number("client_hellos").unwrap() >= 2, "both were read: {}", ended.statistics);
    assert_eq!(ended.number("seen").unwrap(), 0, "and none was counted: {}", ended.statistics);
}

/// The internal twin of the first test.
#[test]
fn smb_over_quic_between_internal_hosts_is_nothing() {
    require_lab!(Network);
    let border = Topology::builder().lan_server().build().unwrap();
    let peers = Peers::new();
    let inside = border.lan_server().unwrap();
    let server = peers.serve(inside, (address::LAN_SERVER_V4, 443), &["smb"], Admission::AtOnce);
    let agent = Agent::on(border.gateway(), "lan0,lan1").config(SETTLE).start().unwrap();
    assert!(peers.send(border.client(), server.address, &only("smb"), MEBIBYTE));
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert_eq!(ended.number("quic_initials").unwrap(), 0, "{}", ended.statistics);
}

#[test]
fn exempt_server_is_no_incident() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let peers = Peers::new();
    let server = peers.serve(border.server(), (address::SERVER_V4, 443), &["smb"], Admission::AtOnce);
    let exemption = "[[exempt]]\ndestination = \"8.8.4.4\"\nservice = \"quic\"\nreason = \"our files\"\n";
    let config = format!("{SETTLE}{exemption}");
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    assert!(peers.send(border.client(), server.address, &only("smb"), 1_000));
    let ended = agent.stop().unwrap();
    assert!(ended.incidents().is_empty(), "{:#?}", ended.documents);
    assert_eq!(ended.number("exempt").unwrap(), 1, "{}", ended.statistics);
}

fn send_to(datagram: &[u8], server: std::net::SocketAddr) {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.send_to(datagram, server).unwrap();
}
