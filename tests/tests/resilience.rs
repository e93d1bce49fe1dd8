//! External disturbances of a running agent: a reader that stops reading, a second agent on the same filters, a stop signal, a
//! flood.

use std::{
    fs::OpenOptions,
    net::{Ipv4Addr, SocketAddrV4},
    os::unix::fs::OpenOptionsExt,
    process::Command,
    time::Duration,
};

use sensor_lab::{Answer, RawSocket, Signal, Smbd, TcpListener, Topology, address, poll, require_lab};
use sensor_tests::{
    Agent, EvidenceLevel, SMB2_MESSAGE, connect, echo, has_finding, reaches, smb_session, syn_frame, text,
};

/// Time for a step of an agent that is busy with a flood.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn unread_output_delays_neither_packets_nor_signals() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let pipe = scratch.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // A reader has it open and reads nothing: it takes 64 KiB, some 25 documents.
    let _reader =
        OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(&pipe).unwrap();
    let agent =
        Agent::on(border.gateway(), "lan0").arguments(&["--output", pipe.to_str().unwrap()]).start().unwrap();
    let socket = RawSocket::open(border.client(), "eth0").unwrap();
    let macs = (border.client().mac_address("eth0").unwrap(), border.gateway().mac_address("lan0").unwrap());
    // Each client has an incident of its own.
    for number in 0..100 {
        let from = SocketAddrV4::new(Ipv4Addr::from(0x0A80_0000 + number), 20_000);
        socket.send(&syn_frame(macs, from, SocketAddrV4::new(address::SERVER_V4, 445))).unwrap();
    }
    agent.wait_for_log("the output does not accept documents").unwrap();
    let ended = agent.stop_by(Signal::SIGTERM).unwrap();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.number("kept").unwrap(), ended.number("accounted").unwrap());
    assert!(ended.number("waiting").unwrap() > 50, "{}", ended.statistics);
    assert!(ended.log.contains("could not be written"), "{}", ended.log);
}

#[test]
fn second_agent_does_not_take_the_filters_of_a_running_one() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let clsact = ["--ingress", "tc", "--tc", "clsact"];
    let first = Agent::on(border.gateway(), "lan0").arguments(&clsact).start().unwrap();
    let refusal = Agent::on(border.gateway(), "lan0").arguments(&clsact).refused().unwrap();
    assert_eq!(refusal.code, Some(1));
    assert!(refusal.stderr.contains("is watched by another smb-sensor (process "), "{refusal:?}");
    smb_session(border.client(), address::SERVER_V4).unwrap();
    first.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    let ended = first.stop().unwrap();
    assert!(ended.number("kept").unwrap() > 20, "{}", ended.statistics);
}

#[test]
fn second_agent_on_an_interface_is_refused_by_name_and_process() {
    require_lab!();
    let border = Topology::border().unwrap();
    let tc: &[&str] = &["--ingress", "tc"];
    for (first, second) in [(&[][..], &[][..]), (tc, tc), (&[], tc), (tc, &[])] {
        let running = Agent::on(border.gateway(), "lan0").arguments(first).start().unwrap();
        let refusal = Agent::on(border.gateway(), "lan0").arguments(second).refused().unwrap();
        let words = format!("interface lan0 is watched by another smb-sensor (process {})", running.id());
        assert!(refusal.stderr.contains(&words), "{first:?} {second:?}: {refusal:?}");
        running.stop().unwrap();
    }
}

#[test]
fn command_to_a_stopped_agent_ends_in_seconds_and_names_the_process() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let command = |arguments: &[&str]| {
        let mut command = Command::new(Agent::program().unwrap());
        command.args(arguments).arg("--state-dir").arg(state.path()).output().unwrap()
    };
    agent.signal(Signal::SIGSTOP).unwrap();
    // Incidents are in the store, with or without an agent.
    assert!(command(&["alerts"]).status.success());
    for arguments in [&["enforce", "status"][..], &["explain", "8.8.4.4"]] {
        let output = command(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        let named = format!("the agent (pid {})", agent.id());
        for word in [named.as_str(), "does not answer", "kill -CONT"] {
            assert!(stderr.contains(word), "{arguments:?}: {word:?} is missing: {stderr}");
        }
    }
    agent.signal(Signal::SIGCONT).unwrap();
    assert!(command(&["enforce", "status"]).status.success());
    assert_eq!(agent.stop().unwrap().code, Some(0));
}

#[test]
fn session_after_a_flood_that_filled_the_table_is_alerted() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    // A ring large enough for the agent's backlog: this test is about the table.
    let config = "statistics_interval = 1\n[kernel]\nring_bytes = 67108864\n";
    let agent = Agent::on(border.gateway(), "lan0").config(config).start().unwrap();
    let socket = RawSocket::open(border.client(), "eth0").unwrap();
    let macs = (border.client().mac_address("eth0").unwrap(), border.gateway().mac_address("lan0").unwrap());
    let to = SocketAddrV4::new(address::SERVER_V4, 445);
    let statistic = |name: &str| -> Option<u64> {
        let log = agent.log();
        let line = log.lines().rfind(|line| line.contains("statistics:"))?;
        let (_, value) = line.split_once(&format!(" {name}="))?;
        value.split(|after: char| !after.is_ascii_digit()).next()?.parse().ok()
    };
    let is_full = || statistic("evicted_connections").is_some_and(|evicted| evicted > 0);
    let mut flood =
        (0..2_000_000_u32).map(|number| SocketAddrV4::new(Ipv4Addr::from(0x0A80_0000 + number), 40_000));
    let mut sent = 0;
    while flood.len() > 0 && !is_full() {
        for from in flood.by_ref().take(50_000) {
            sent += u64::from(socket.send(&syn_frame(macs, from, to)).is_ok());
        }
        // Not faster than the agent reads: this test is about the table, not about the ring.
        let has_read = || {
            let behind = sent.saturating_sub(statistic("accounted")?);
            (behind < 20_000 || is_full()).then_some(())
        };
        let _ = poll(LONG, has_read);
    }
    poll(LONG, || is_full().then_some(()))
        .unwrap_or_else(|| panic!("the table did not fill: {}", agent.log()));
    let mut connection = connect(border.client(), server.address()).unwrap();
    echo(&mut connection, &SMB2_MESSAGE).unwrap();
    // A hundred attempts have filled the window, which ends with the run.
    let ended = agent.stop_within(3 * LONG).unwrap();
    let spoke = has_finding("smb-to-internet", "smb");
    let late = ended.documents.iter().find(|document| spoke(document)).unwrap_or_else(|| {
        let of_it = |one: &&serde_json::Value| one.to_string().contains("10.0.0.2");
        panic!("{:#?}\n{}", ended.documents.iter().filter(of_it).collect::<Vec<_>>(), ended.log)
    });
    assert_eq!(text(late, "/source/ip"), address::CLIENT_V4.to_string(), "{late:#}");
    assert_eq!(ended.number("untracked").unwrap(), 0, "{}", ended.statistics);
}
