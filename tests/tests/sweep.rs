//! One machine that tries many across the border is one alert, and one that tries many at home is none.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{Answer, RawSocket, TcpListener, Topology, address, poll, require_lab};
use sensor_tests::{Agent, Ended, PATIENCE, number, syn_frame, text, texts};
use serde_json::Value;

const SWEEP: &str = "smb-sweep";
/// Time in which a sweep is told of, on a busy machine.
const TOLD: Duration = Duration::from_secs(60);
/// The longest that a plain connection is waited for where nobody answers.
const ONE_TRY: Duration = Duration::from_millis(5);

/// Where the targets are, as `ip` takes it: public addresses, which the namespaces alone know.
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

/// Connects to 300 addresses, one after another; what comes of it is their business.
fn connect_to_all(border: &Topology, target: fn(u16) -> Ipv4Addr) -> Result<()> {
    border.client().run(|| {
        for n in 0..300 {
            let to = SocketAddr::from((target(n), 445));
            let _ = TcpStream::connect_timeout(&to, ONE_TRY);
        }
    })
}

/// The agent's end, once it told of the sweep: the last document says how it went on.
fn end_when_told(agent: Agent) -> Result<Ended> {
    let opened = |document: &Value| text(document, "/rule/id") == SWEEP;
    poll(TOLD, || agent.documents().into_iter().find(opened))
        .with_context(|| format!("no sweep: {:#?}\n{}", agent.documents(), agent.log()))?;
    agent.stop()
}

/// The last document of the one alert there is, which is of a sweep of so many targets.
fn only_sweep(ended: &Ended, targets: u64) -> Result<&Value> {
    ensure!(ended.rules() == [SWEEP], "{:?}\n{}", ended.rules(), ended.log);
    let last = ended.closed(SWEEP)?;
    ensure!(number(last, "/smb_sensor/sweep/targets") == targets, "{last:#}");
    ensure!(number(last, "/smb_sensor/sweep/folded_flows") == targets, "{last:#}");
    ensure!(last["smb_sensor"]["sweep"]["more_targets"] == false, "{last:#}");
    ensure!(text(last, "/source/ip") == address::CLIENT_V4.to_string(), "{last:#}");
    ensure!(text(last, "/network/direction") == "outbound", "{last:#}");
    ensure!(texts(last, "/threat/technique/id") == ["T1046"], "{last:#}");
    ensure!(ended.number("opened")? == 1 && ended.number("suppressed")? == 0, "{}", ended.statistics);
    Ok(last)
}

#[test]
fn ten_thousand_lone_syns_are_one_alert() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let macs = (border.client().mac_address("eth0").unwrap(), border.gateway().mac_address("lan0").unwrap());
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let socket = RawSocket::open(border.client(), "eth0").unwrap();
    for n in 0..10_000 {
        let from = SocketAddrV4::new(address::CLIENT_V4, 20_000 + n);
        let frame = syn_frame(macs, from, SocketAddrV4::new(target(n), 445));
        // A full queue of the interface refuses for a moment.
        assert!(poll(PATIENCE, || socket.send(&frame).ok()).is_some(), "frame {n} was not sent");
    }
    let ended = end_when_told(agent).unwrap();
    let sweep = only_sweep(&ended, 10_000).unwrap();
    assert_eq!(number(sweep, "/smb_sensor/sweep/unanswered"), 10_000);
}

#[test]
fn three_hundred_refused_connections_are_one_alert() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    border.server().ip(&format!("route add local {TARGETS} dev lo")).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    connect_to_all(&border, target).unwrap();
    let ended = end_when_told(agent).unwrap();
    let sweep = only_sweep(&ended, 300).unwrap();
    assert!(number(sweep, "/smb_sensor/sweep/refused") > 200, "{sweep:#}");
}

#[test]
fn three_hundred_connections_that_nobody_answers_are_one_alert() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    border.gateway().ip(&format!("route add blackhole {TARGETS}")).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    connect_to_all(&border, target).unwrap();
    let ended = end_when_told(agent).unwrap();
    assert_eq!(number(only_sweep(&ended, 300).unwrap(), "/smb_sensor/sweep/unanswered"), 300);
}

#[test]
fn three_hundred_connections_that_are_accepted_without_a_word_of_smb_are_one_alert() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    border.server().ip(&format!("route add local {TARGETS} dev lo")).unwrap();
    let _server = TcpListener::start(border.server(), (Ipv4Addr::UNSPECIFIED, 445), Answer::Silence).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    connect_to_all(&border, target).unwrap();
    let ended = end_when_told(agent).unwrap();
    let sweep = only_sweep(&ended, 300).unwrap();
    assert!(number(sweep, "/smb_sensor/sweep/answered") > 200, "{sweep:#}");
    assert_eq!(number(sweep, "/smb_sensor/sweep/spoke"), 0);
}

#[test]
fn three_hundred_connections_between_internal_machines_are_none() {
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
