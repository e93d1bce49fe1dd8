//! Interfaces that come, go and change their names, and programs that somebody detaches.

use std::{
    fs,
    net::SocketAddr,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::programs::{Xdp, XdpMode};
use nix::{errno::Errno, libc};
use sensor_core::time::TickClock;
use sensor_lab::{
    Answer, End, TcpListener, Topology, Tun, Veth, address, attach_xdp_dispatcher, poll, require_lab,
};
use sensor_tests::{Agent, EvidenceLevel, PATIENCE, attached, connect, echo, reaches};
use sensor_user::{
    config::Config,
    kernel::object::{KernelProgram, program},
    plan,
};
use serde_json::Value;

const NATIVE: [&str; 2] = ["xdp smb_xdp_frags", "tcx egress smb_tc_out"];
/// Time in which a program that was taken off is noticed, reported and put back.
const PUT_BACK_WITHIN: Duration = Duration::from_secs(2);

const FILTERS: [&str; 2] = ["filter ingress smb_tc_in", "filter egress smb_tc_out"];

/// Waits until the programs on an interface of the gateway are these.
#[track_caller]
fn becomes(border: &Topology, interface: &str, programs: [&str; 2]) {
    let mut last = None;
    let same = poll(PATIENCE, || {
        last = Some(attached(border.gateway(), interface));
        matches!(&last, Some(Ok(found)) if *found == programs).then_some(())
    });
    assert!(same.is_some(), "{interface}: {last:?}");
}

/// The time from a moment until both programs of an interface were put back: the log says so when it is done.
fn put_back_after(taken_off: Instant, agent: &Agent, interface: &str) -> Result<Duration> {
    let text = |direction| {
        format!("the program for {direction} packets of {interface} was taken off, and is put back")
    };
    let incoming = agent.logged_after(taken_off, &text("incoming"))?;
    Ok(incoming.max(agent.logged_after(taken_off, &text("outgoing"))?))
}

/// A connection from the client to port 445 of the server, which echoes.
fn exchange(border: &Topology, server: SocketAddr) -> Result<()> {
    echo(&mut connect(border.client(), server)?, &[7; 100])
}

#[test]
fn interface_that_comes_back_is_watched_again() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let scratch = sensor_lab::scratch_dir().unwrap();
    let file = scratch.path().join("alerts.pcapng");
    let record = ["--record", file.to_str().unwrap()];
    let agent = Agent::on(border.gateway(), "lan0").arguments(&record).start().unwrap();
    border.gateway().ip("link del dev lan0").unwrap();
    agent.wait_for_log("interface lan0 is gone and no longer watched").unwrap();
    agent.wait_for_log("no interface is left to watch").unwrap();

    let (near, far) = (End::new(border.gateway(), "lan0"), End::new(border.client(), "eth0"));
    Veth::between(near, far).create().unwrap();
    border.gateway().ip(&format!("address add {}/24 dev lan0", address::GATEWAY_LAN_V4)).unwrap();
    let lines = format!(
        "address add {}/24 dev eth0\nroute add default via {}",
        address::CLIENT_V4,
        address::GATEWAY_LAN_V4
    );
    border.client().ip_batch(&lines).unwrap();
    becomes(&border, "lan0", NATIVE);
    // It is recorded too by the time at which it is said to be watched.
    let is_watched_again = || agent.log().matches("watching lan0:").count() >= 2;
    poll(PATIENCE, || is_watched_again().then_some(())).unwrap_or_else(|| panic!("{}", agent.log()));
    exchange(&border, server.address()).unwrap();
    let alert = agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Connected)).unwrap();
    assert_eq!(alert["observer"]["ingress"]["interface"]["name"], "lan0", "{alert:#}");
    agent.stop().unwrap();
    let mut recorded = 0;
    sensor_user::capture::frames(&file, |_| recorded += 1).unwrap();
    assert!(recorded >= 5, "{recorded} packets were recorded on the new interface");
}

#[test]
fn patterns_watch_interfaces_that_appear_or_are_renamed() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan*,wg0").start().unwrap();
    agent.wait_for_log("there is no interface wg0 yet; it is watched when it appears").unwrap();
    becomes(&border, "lan0", NATIVE);
    assert_eq!(attached(border.gateway(), "wan0").unwrap(), [""; 0]);

    let _tun = Tun::new(border.gateway(), "wg0").unwrap();
    agent.wait_for_log("watching wg0:").unwrap();
    becomes(&border, "wg0", ["tcx ingress smb_tc_ip_in", "tcx egress smb_tc_ip_out"]);

    Veth::between(End::new(border.gateway(), "spare"), End::new(border.client(), "far")).create().unwrap();
    border.gateway().ip("link set spare name lan7").unwrap();
    agent.wait_for_log("watching lan7:").unwrap();
    becomes(&border, "lan7", NATIVE);
    border.gateway().ip("link set lan7 name spare").unwrap();
    agent.wait_for_log("interface lan7 is called spare now and is still watched").unwrap();
    becomes(&border, "spare", NATIVE);
    agent.stop().unwrap();
    assert_eq!(attached(border.gateway(), "spare").unwrap(), [""; 0]);
}

#[test]
fn interface_that_appears_and_cannot_be_read_is_reported_once() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0,wg*").start().unwrap();
    let tun = Tun::new(border.gateway(), "other").unwrap();
    tun.hardware_type(32).unwrap();
    border.gateway().ip("link set other name wg0").unwrap();
    agent.wait_for_log("InfiniBand (ARPHRD 32)").unwrap();
    // Two more looks at the interfaces: what comes behind it is noticed.
    for name in ["wg1", "wg2"] {
        let _tun = Tun::new(border.gateway(), name).unwrap();
        agent.wait_for_log(&format!("watching {name}:")).unwrap();
    }
    let ended = agent.stop().unwrap();
    assert_eq!(ended.log.matches("InfiniBand").count(), 1, "{}", ended.log);
}

#[test]
fn filter_that_is_taken_off_is_put_back() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let arguments = ["--ingress", "tc", "--tc", "clsact"];
    let agent = Agent::on(border.gateway(), "lan0").arguments(&arguments).start().unwrap();
    becomes(&border, "lan0", FILTERS);
    let taken_off = Instant::now();
    let gone =
        border.gateway().command("tc").args(["qdisc", "del", "dev", "lan0", "clsact"]).status().unwrap();
    assert!(gone.success());
    let after = put_back_after(taken_off, &agent, "lan0").unwrap();
    assert!(after <= PUT_BACK_WITHIN, "{after:?}");
    becomes(&border, "lan0", FILTERS);
    exchange(&border, server.address()).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Connected)).unwrap();
    agent.stop().unwrap();
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), [""; 0]);
}

/// Calls bpf(2) with a command that takes and gives a number.
fn bpf(command: libc::c_long, argument: u32) -> Result<libc::c_long> {
    let attributes = [argument, 0, 0, 0];
    // SAFETY: the attributes live over the call and are as long as is said.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(&attributes)) };
    Errno::result(result).with_context(|| format!("bpf command {command} with {argument}"))
}

/// Detaches every link that the agent has, as `bpftool link detach` does.
fn detach_links(agent: &Agent) -> Result<usize> {
    const GET_FD_BY_ID: libc::c_long = 30;
    const DETACH: libc::c_long = 34;
    let mut detached = 0;
    for entry in fs::read_dir(format!("/proc/{}/fdinfo", agent.id()))? {
        let info = fs::read_to_string(entry?.path()).unwrap_or_default();
        let Some(id) = info.lines().find_map(|line| line.strip_prefix("link_id:")) else { continue };
        let raw = bpf(GET_FD_BY_ID, id.trim().parse()?)?;
        // SAFETY: the descriptor is new and has no other owner.
        let link = unsafe { OwnedFd::from_raw_fd(raw as libc::c_int) };
        bpf(DETACH, link.as_raw_fd() as u32)?;
        detached += 1;
    }
    Ok(detached)
}

#[test]
fn links_that_are_detached_are_put_back() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let interfaces = ["lan0", "wan0"];
    let agent = Agent::on(border.gateway(), "lan0,wan0").start().unwrap();
    interfaces.iter().for_each(|interface| becomes(&border, interface, NATIVE));
    let taken_off = Instant::now();
    assert_eq!(detach_links(&agent).unwrap(), 4);
    for interface in interfaces {
        let after = put_back_after(taken_off, &agent, interface).unwrap();
        assert!(after <= PUT_BACK_WITHIN, "{interface}: {after:?}");
        becomes(&border, interface, NATIVE);
    }
    exchange(&border, server.address()).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Connected)).unwrap();
    agent.stop().unwrap();
}

#[test]
fn auto_uses_tc_beside_another_xdp_program_and_names_it() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let index = border.gateway().interface_index("lan0").unwrap();
    let plan = plan::load_plan(&Config::default(), TickClock::with_tick(1_000_000));
    let mut kernel = KernelProgram::load(&plan).unwrap();
    // Any other XDP program will do.
    let other: &mut Xdp = kernel.ebpf().unwrap().program_mut(program::CLOCK).unwrap().try_into().unwrap();
    let id = other.info().unwrap().id();
    border.gateway().run(|| other.attach_to_if_index(index, XdpMode::Driver)).unwrap().unwrap();

    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let said = agent.wait_for_log("watching lan0:").unwrap();
    let expected = format!("incoming by TCX, outgoing by TCX (XDP: program smb_clock (id {id}) is there)");
    assert!(said.ends_with(&expected), "{said}");
    let programs = ["xdp smb_clock", "tcx ingress smb_tc_in", "tcx egress smb_tc_out"];
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), programs);
    agent.stop().unwrap();
    let refusal =
        Agent::on(border.gateway(), "lan0").arguments(&["--ingress", "xdp-native"]).refused().unwrap();
    assert!(refusal.stderr.contains(&format!("program smb_clock (id {id})")), "{}", refusal.stderr);
}

#[test]
fn auto_uses_tc_beside_the_dispatcher_of_libxdp_and_names_it() {
    require_lab!(XdpTools);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    attach_xdp_dispatcher(border.gateway(), "lan0").unwrap();
    let mut shows = border.gateway().command("ip");
    let links = shows.args(["-j", "-d", "link", "show", "dev", "lan0"]).output().unwrap().stdout;
    let links: Value = serde_json::from_slice(&links).unwrap();
    let id = links.pointer("/0/xdp/prog/id").and_then(Value::as_u64).unwrap();

    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let said = agent.wait_for_log("watching lan0:").unwrap();
    let expected =
        format!("incoming by TCX, outgoing by TCX (XDP: program xdp_dispatcher (id {id}) is there)");
    assert!(said.ends_with(&expected), "{said}");
    exchange(&border, server.address()).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Connected)).unwrap();
    agent.stop().unwrap();
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), ["xdp xdp_dispatcher"], "it stays");
}
