//! One machine that tries many across the border, in either direction, is one alert; internally it is none.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    ops::Range,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{Answer, Namespace, RawSocket, TcpListener, Topology, address, poll, require_lab};
use sensor_tests::{Agent, Ended, EvidenceLevel, PATIENCE, evidence, finds, number, syn_frame, text, texts};
use serde_json::Value;

const SWEEP: &str = "smb-sweep";
/// Time in which a sweep is reported, on a busy machine.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a plain connection without an answer.
const ONE_TRY: Duration = Duration::from_millis(5);

/// Most targets of one incident that are counted.
const MAX_TARGETS: u64 = 4_096;

/// The targets, in the form of `ip`: public addresses that exist in the namespaces alone.
const TARGETS: &str = "8.9.0.0/16";
/// Their internal twins.
const TWINS: &str = "10.9.0.0/16";

fn target(n: u16) -> Ipv4Addr {
    let [high, low] = n.to_be_bytes();
    Ipv4Addr::new(8, 9, high, low)
}

fn twin(n: u16) -> Ipv4Addr {
    let [high, low] = n.to_be_bytes();
    Ipv4Addr::new(10, 9, high, low)
}

/// Connects to 300 addresses, one after another, with any result.
fn connect_to_all(border: &Topology, target: fn(u16) -> Ipv4Addr) -> Result<()> {
    connect(border.client(), 0..300, target)
}

fn connect(from: &Namespace, targets: Range<u16>, target: fn(u16) -> Ipv4Addr) -> Result<()> {
    from.run(|| {
        for n in targets {
            let to = SocketAddr::from((target(n), 445));
            let _ = TcpStream::connect_timeout(&to, ONE_TRY);
        }
    })
}

/// The agent's output, after it reported the sweep: the last document has its final state.
fn end_when_reported(agent: Agent) -> Result<Ended> {
    poll(SWEEP_TIMEOUT, || agent.documents().into_iter().find(|document| finds(document, SWEEP)))
        .with_context(|| format!("no sweep: {:#?}\n{}", agent.documents(), agent.log()))?;
    agent.stop()
}

/// The last document of the only alert, about a sweep of this many targets by an internal machine.
fn only_sweep(ended: &Ended, targets: u64) -> Result<&Value> {
    only_sweep_by(ended, (address::CLIENT_V4, "outbound"), targets, targets)
}

/// The same for a sweep by `source` with this many connections, of whose targets this many are counted.
fn only_sweep_by<'a>(
    ended: &'a Ended,
    (source, direction): (Ipv4Addr, &str),
    targets: u64,
    connections: u64,
) -> Result<&'a Value> {
    ensure!(ended.rules().contains(&SWEEP.to_owned()), "{:?}\n{}", ended.rules(), ended.log);
    let last = ended.only()?;
    ensure!(text(last, "/smb_sensor/incident/scope") == "client", "{last:#}");
    ensure!(number(last, "/smb_sensor/incident/targets/total") == targets, "{last:#}");
    ensure!(number(last, "/smb_sensor/incident/connections") == connections, "{last:#}");
    ensure!(text(last, "/source/ip") == source.to_string(), "{last:#}");
    ensure!(text(last, "/network/direction") == direction, "{last:#}");
    ensure!(texts(last, "/threat/technique/id") == ["T1046"], "{last:#}");
    ensure!(ended.number("opened")? == 1 && ended.number("held_back")? == 0, "{}", ended.statistics);
    Ok(last)
}

/// Sends this many frames that each begin a connection, from another port to another address, and nothing more.
fn send_lone_syns(border: &Topology, targets: Range<u16>, target: fn(u16) -> Ipv4Addr) -> Result<()> {
    let macs = (border.client().mac_address("eth0")?, border.gateway().mac_address("lan0")?);
    let socket = RawSocket::open(border.client(), "eth0")?;
    for n in targets {
        let from = SocketAddrV4::new(address::CLIENT_V4, 20_000 + n);
        let frame = syn_frame(macs, from, SocketAddrV4::new(target(n), 445));
        // A full queue of the interface refuses for a moment.
        ensure!(poll(PATIENCE, || socket.send(&frame).ok()).is_some(), "frame {n} was not sent");
    }
    Ok(())
}

#[test]
fn ten_thousand_lone_syns_are_one_alert() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    send_lone_syns(&border, 0..10_000, target).unwrap();
    let ended = end_when_reported(agent).unwrap();
    let by = (address::CLIENT_V4, "outbound");
    let sweep = only_sweep_by(&ended, by, MAX_TARGETS, 10_000).unwrap();
    assert_eq!(number(sweep, "/smb_sensor/incident/targets/silent"), MAX_TARGETS);
    let message = text(sweep, "/message");
    assert!(message.contains(&format!("at least {MAX_TARGETS} addresses")), "{message}");
}

#[test]
fn sweep_beyond_the_counted_targets_says_at_least() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    send_lone_syns(&border, 0..10_000, target).unwrap();
    let ended = end_when_reported(agent).unwrap();
    let fact = text(ended.only().unwrap(), "/smb_sensor/techniques/T1046");
    assert!(fact.contains(&format!("at least {MAX_TARGETS} ")), "{fact}");
}

#[test]
fn ten_thousand_lone_syns_to_internal_addresses_are_no_alert() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    border.gateway().ip(&format!("route add blackhole {TWINS}")).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    send_lone_syns(&border, 0..10_000, twin).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert!(ended.number("lateral").unwrap() >= 10_000, "{}", ended.statistics);
}

#[test]
fn three_hundred_refused_connections_are_one_alert() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    border.server().ip(&format!("route add local {TARGETS} dev lo")).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    connect_to_all(&border, target).unwrap();
    let ended = end_when_reported(agent).unwrap();
    let sweep = only_sweep(&ended, 300).unwrap();
    assert!(number(sweep, "/smb_sensor/incident/targets/refused") > 200, "{sweep:#}");
}

#[test]
fn three_hundred_unanswered_connections_are_one_alert() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    border.gateway().ip(&format!("route add blackhole {TARGETS}")).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    connect_to_all(&border, target).unwrap();
    let ended = end_when_reported(agent).unwrap();
    assert_eq!(number(only_sweep(&ended, 300).unwrap(), "/smb_sensor/incident/targets/silent"), 300);
}

#[test]
fn three_hundred_accepted_connections_without_smb_are_one_alert() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    border.server().ip(&format!("route add local {TARGETS} dev lo")).unwrap();
    let _server = TcpListener::start(border.server(), (Ipv4Addr::UNSPECIFIED, 445), Answer::Silence).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    connect_to_all(&border, target).unwrap();
    let ended = end_when_reported(agent).unwrap();
    let sweep = only_sweep(&ended, 300).unwrap();
    assert!(number(sweep, "/smb_sensor/incident/targets/answered") > 200, "{sweep:#}");
    assert!(evidence(sweep) < Some(EvidenceLevel::Smb), "{sweep:#}");
}

#[test]
fn three_hundred_internal_connections_are_no_alert() {
    require_lab!(Network);
    let border = Topology::builder().lan_server().build().unwrap();
    border.gateway().ip(&format!("route add {TWINS} via {}", address::LAN_SERVER_V4)).unwrap();
    border.lan_server().unwrap().ip(&format!("route add local {TWINS} dev lo")).unwrap();
    let agent = Agent::on(border.gateway(), "lan0,lan1").start().unwrap();
    connect_to_all(&border, twin).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert!(ended.number("lateral").unwrap() >= 300, "{}", ended.statistics);
}

/// The machines of an internal /24.
const HOSTS: Range<u16> = 1..255;

/// A border with an internal /24 behind the client, all of whose machines the client answers for.
fn border_with_many_inside() -> Result<Topology> {
    let border = Topology::builder().lan_server().build()?;
    border.gateway().ip(&format!("route add {TWINS} via {}", address::CLIENT_V4))?;
    border.client().ip(&format!("route add local {TWINS} dev lo"))?;
    Ok(border)
}

#[test]
fn inbound_sweep_of_a_network_is_one_alert_with_its_counts() {
    require_lab!(Network);
    let border = border_with_many_inside().unwrap();
    let _server = TcpListener::start(border.client(), (twin(1), 445), Answer::Silence).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    connect(border.server(), HOSTS, twin).unwrap();
    let ended = end_when_reported(agent).unwrap();
    let sweep = only_sweep_by(&ended, (address::SERVER_V4, "inbound"), 254, 254).unwrap();
    let count = |of: &str| number(sweep, &format!("/smb_sensor/incident/targets/{of}"));
    assert_eq!(count("answered"), 1, "{sweep:#}");
    assert!(evidence(sweep) < Some(EvidenceLevel::Smb), "{sweep:#}");
    assert!(count("refused") > 200, "{sweep:#}");
    assert_eq!(count("answered") + count("refused") + count("silent"), 254, "{sweep:#}");
    assert_eq!(
        text(sweep, "/smb_sensor/incident/severity"),
        "medium",
        "whoever is on the Internet is swept all day"
    );
}

#[test]
fn internal_sweep_of_the_same_network_is_no_alert() {
    require_lab!(Network);
    let border = border_with_many_inside().unwrap();
    let agent = Agent::on(border.gateway(), "lan0,lan1").start().unwrap();
    connect(border.lan_server().unwrap(), HOSTS, twin).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert!(ended.number("lateral").unwrap() >= 254, "{}", ended.statistics);
}
