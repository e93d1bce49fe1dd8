//! Enforcement: the SYN of connections that the rules alert on is dropped, and nothing else; it ends at once on command, and by
//! itself.

use std::{
    net::{SocketAddr, SocketAddrV4, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{
    Answer, Namespace, RawSocket, Smbd, TcpListener, Topology, address, comes_within, poll, require_lab,
};
use sensor_tests::{Agent, PATIENCE, attached, connect, has_finding, smb_session, syn_frame, text, texts};
use sensor_user::{
    control::{Request, ask},
    enforcement::LEASE,
};

const OUTBOUND: &str = "smb-to-internet";
const INBOUND: &str = "external-access-windows-networking";

/// Time in which a connection that is not dropped is established.
const SHORTLY: Duration = Duration::from_millis(400);

/// Time after which the lease is over if nobody renews it, and a connection that then passes is established.
const LEASE_OVER: Duration = Duration::from_secs(LEASE + 5);

#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn is_let_through(from: &Namespace, to: impl Into<SocketAddr>) -> bool {
    let to = to.into();
    from.run(|| TcpStream::connect_timeout(&to, SHORTLY)).unwrap().is_ok()
}

/// A connection that is not dropped may take longer on a busy machine; one that is dropped is not established however often it is
/// tried.
fn passes_soon(from: &Namespace, to: impl Into<SocketAddr>) -> bool {
    let to = to.into();
    poll(PATIENCE, || is_let_through(from, to).then_some(())).is_some()
}

#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn command(state_dir: &Path, request: &Request) -> String {
    let answer = ask(state_dir, request).unwrap();
    assert!(answer.done, "{answer:?}");
    answer.text
}

const ON: Request = Request::EnforcementOn { seconds: None };

#[test]
fn without_enforcement_everything_passes_and_is_counted() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let outside = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let inside = TcpListener::start(border.client(), (address::CLIENT_V4, 135), Answer::Echo).unwrap();
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    connect(border.client(), outside.address()).unwrap();
    connect(border.server(), inside.address()).unwrap();
    let status = command(state.path(), &Request::EnforcementStatus);
    assert!(status.contains("enforcement is off"), "{status}");
    assert!(
        status.contains("would_drop_smb_to_internet 1") && status.contains("would_drop_external_access 1"),
        "{status}"
    );
    let ended = agent.stop().unwrap();
    assert_eq!(ended.number("dropped_smb_to_internet").unwrap(), 0, "{}", ended.statistics);
    assert!(ended.documents.iter().all(|document| document["smb_sensor"].get("enforcement").is_none()));
}

#[test]
fn both_rules_drop_the_syn_and_report_it() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let outside = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let outside_v6 = TcpListener::start(border.server(), (address::SERVER_V6, 445), Answer::Echo).unwrap();
    let mapper = TcpListener::start(border.server(), (address::SERVER_V4, 135), Answer::Echo).unwrap();
    let inside = TcpListener::start(border.client(), (address::CLIENT_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--enforce"]).start().unwrap();
    assert!(!is_let_through(border.client(), outside.address()), "SMB to the Internet");
    assert!(!is_let_through(border.client(), outside_v6.address()), "over IPv6");
    assert!(!is_let_through(border.server(), inside.address()), "a stranger");
    assert!(passes_soon(border.client(), mapper.address()), "no rule is about outgoing DCE-RPC");
    for rule in [OUTBOUND, INBOUND] {
        let alert = agent.wait_for(has_finding(rule, "attempt")).unwrap();
        assert_eq!(text(&alert, "/smb_sensor/enforcement"), "dropped");
        assert_eq!(texts(&alert, "/event/type"), ["start", "denied"]);
    }
    let ended = agent.stop().unwrap();
    for counter in ["smb_to_internet", "external_access"] {
        let of = |what: &str| ended.number(&format!("{what}_{counter}")).unwrap();
        assert!(of("dropped") > 0 && of("dropped") == of("would_drop"), "{}", ended.statistics);
    }
    assert_eq!(outside.connections() + outside_v6.connections() + inside.connections(), 0);
}

#[test]
fn exemptions_neighbours_and_established_connections_pass() {
    require_lab!(Network);
    let border = Topology::builder().lan_server().build().unwrap();
    let outside = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let neighbour =
        TcpListener::start(border.lan_server().unwrap(), (address::LAN_SERVER_V4, 445), Answer::Echo);
    let neighbour = neighbour.unwrap();
    let state = tempfile::tempdir().unwrap();
    let pair = format!(
        "[[exempt]]\nsource = \"{}\"\ndestination = \"{}\"\nreason = \"test\"\n",
        address::CLIENT_V4,
        address::SERVER_V4
    );
    let agent = Agent::on(border.gateway(), "lan0,lan1")
        .config(&pair)
        .state_dir(state.path())
        .arguments(&["--enforce"]);
    let agent = agent.start().unwrap();
    assert!(passes_soon(border.client(), outside.address()), "an exempt pair");
    assert!(passes_soon(border.client(), neighbour.address()), "between internal machines");
    assert!(
        !is_let_through(border.lan_server().unwrap(), outside.address()),
        "another client of that server"
    );
    agent.stop().unwrap();

    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let mut established = connect(border.client(), outside.address()).unwrap();
    command(state.path(), &ON);
    sensor_tests::echo(&mut established, &[7; 500]).unwrap();
    assert!(!is_let_through(border.client(), outside.address()));
    agent.stop().unwrap();
}

#[test]
fn real_session_fails_while_on_and_succeeds_once_off() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0")
        .state_dir(state.path())
        .arguments(&["--enforce"])
        .start()
        .unwrap();
    assert!(!is_let_through(border.client(), (address::SERVER_V4, 445)));
    let status = command(state.path(), &Request::EnforcementOff);
    assert!(status.contains("enforcement is off"), "{status}");
    smb_session(border.client(), address::SERVER_V4).unwrap();
    agent.stop().unwrap();
}

#[test]
fn ends_when_its_time_is_up() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let outside = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent =
        Agent::on(border.gateway(), "lan0").arguments(&["--enforce", "--enforce-for", "30"]).start().unwrap();
    assert!(!is_let_through(border.client(), outside.address()));
    agent.wait_for_log("enforcement is off").unwrap();
    assert!(passes_soon(border.client(), outside.address()));
    agent.stop().unwrap();
}

#[test]
fn hung_or_killed_agent_lets_everything_pass() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let outside = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let mut agent = Agent::on(border.gateway(), "lan0").arguments(&["--enforce"]).start().unwrap();
    assert!(!is_let_through(border.client(), outside.address()));
    agent.signal(sensor_lab::Signal::SIGSTOP).unwrap();
    let passes = || is_let_through(border.client(), outside.address());
    assert!(comes_within(LEASE_OVER, passes), "the kernel goes on for seconds, not for ever");
    agent.signal(sensor_lab::Signal::SIGCONT).unwrap();
    let again = poll(PATIENCE, || (!is_let_through(border.client(), outside.address())).then_some(()));
    assert!(again.is_some(), "it is back");
    agent.kill().unwrap();
    // It passes because nothing is there any more, not because its lease is over.
    let is_gone = || {
        let attached = attached(border.gateway(), "lan0").unwrap();
        attached.iter().all(|program| !program.ends_with("_in")).then_some(())
    };
    poll(PATIENCE, is_gone).expect("what looked at incoming packets does not stay attached");
    assert!(passes_soon(border.client(), outside.address()));
}

#[test]
fn every_syn_under_load_is_counted_or_arrives() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    // Resolves addresses before frames are counted.
    let _ = is_let_through(border.client(), (address::SERVER_V4, 9));
    let before = segments_received(border.server()).unwrap();
    let sent = flood(&border, state.path()).unwrap();
    let ended = agent.stop().unwrap();
    let (would, dropped) = (
        ended.number("would_drop_smb_to_internet").unwrap(),
        ended.number("dropped_smb_to_internet").unwrap(),
    );
    assert_eq!(would, sent, "{}", ended.statistics);
    assert!(dropped > 0 && dropped < sent, "{dropped} of {sent}");
    let arrived = poll(PATIENCE, || {
        let arrived = segments_received(border.server()).unwrap() - before;
        (arrived == sent - dropped).then_some(())
    });
    assert!(
        arrived.is_some(),
        "{sent} sent, {dropped} dropped, {} arrived",
        segments_received(border.server()).unwrap() - before
    );
    assert!(text(&ended.documents[0], "/rule/id").contains("smb"));
}

const ROUNDS: u16 = 8;
const FRAMES: u16 = 1_000;

/// Sends one SYN for each of this many flows, and turns enforcement on and off between and during rounds.
fn flood(border: &Topology, state: &Path) -> Result<u64> {
    let socket = RawSocket::open(border.client(), "eth0")?;
    let macs = (border.client().mac_address("eth0")?, border.gateway().mac_address("lan0")?);
    for round in 0..ROUNDS {
        for number in 0..FRAMES {
            if number == FRAMES / 2 {
                command(state, if round % 2 == 0 { &ON } else { &Request::EnforcementOff });
            }
            let from = SocketAddrV4::new(address::CLIENT_V4, 10_000 + round * FRAMES + number);
            let mut frame = syn_frame(macs, from, SocketAddrV4::new(address::SERVER_V4, 445));
            live_long(&mut frame);
            let sent = poll(PATIENCE, || socket.send(&frame).ok());
            ensure!(sent.is_some(), "frame {number} was not sent");
        }
    }
    Ok(u64::from(ROUNDS) * u64::from(FRAMES))
}

/// Gives the frame a time to live of 64 instead of 1, so that the router forwards it, and updates its TCP checksum.
fn live_long(frame: &mut [u8]) {
    frame[14 + 8] = 64;
    let sum = u16::from_be_bytes([frame[24], frame[25]]);
    // RFC 1624: the sum falls by what the field rose.
    let (lower, borrow) = sum.overflowing_sub(63 << 8);
    frame[24..26].copy_from_slice(&(lower - u16::from(borrow)).to_be_bytes());
    let segment = 14 + 20..14 + 40;
    let mut pseudo = frame[14 + 12..14 + 20].to_vec();
    pseudo.extend([0, 6, 0, 20]);
    pseudo.extend(&frame[segment]);
    let sum: u32 = pseudo.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let check = !((folded & 0xFFFF) + (folded >> 16)) as u16;
    frame[14 + 20 + 16..14 + 20 + 18].copy_from_slice(&check.to_be_bytes());
}

/// TCP segments that a namespace received (RFC 4022 tcpInSegs).
fn segments_received(namespace: &Namespace) -> Result<u64> {
    let text = namespace.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp"))??;
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:")).map(|line| line.split_whitespace());
    let (mut names, mut values) = (lines.next().context("names")?, lines.next().context("values")?);
    let at = names.position(|name| name == "InSegs").context("InSegs")?;
    Ok(values.nth(at).context("its value")?.parse()?)
}
