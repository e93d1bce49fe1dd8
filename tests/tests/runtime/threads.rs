//! Threads of the agent that end, hang or wait: if one ends or hangs, the agent ends; while one waits for its disk, its destination
//! or its files, enforcement continues.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd as _, OwnedFd},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::pipe,
};
use sensor_lab::{Answer, Namespace, Signal, TcpListener, Topology, address, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, connect, follows_schema, text};
use serde_json::Value;

const OUTBOUND: &str = "smb-to-internet";

/// Time in which a connection that is not dropped is established.
const SHORTLY: Duration = Duration::from_millis(400);

/// Longer than two leases of the kernel program: without renewal it has lapsed by then.
const TWO_LEASES: Duration = Duration::from_secs(21);

fn is_let_through(from: &Namespace, to: SocketAddr) -> bool {
    from.run(|| TcpStream::connect_timeout(&to, SHORTLY)).unwrap().is_ok()
}

/// Makes a thread panic, and checks that the agent ends with an error that names it.
fn ends_the_agent(thread: &str, named: &str, records: bool) {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let recording = scratch.path().join("packets.pcapng");
    let mut agent = Agent::on(border.gateway(), "lan0").fault(&format!("panic:{thread}"));
    if records {
        agent = agent.arguments(&["--record", recording.to_str().unwrap()]);
    }
    let agent = agent.start().unwrap();
    let ended = agent.end().unwrap();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let expected = format!("the thread {named} ended: it panicked: SMB_SENSOR_FAULT asked for it");
    assert!(ended.log.contains(&expected), "{}", ended.log);
    let last = ended.log.lines().last().unwrap_or_default();
    assert!(last.starts_with("smb-sensor: the thread"), "the error is the last line: {}", ended.log);
}

#[test]
fn panic_of_the_store_writer_ends_the_agent() {
    ends_the_agent("store-writer", "store-writer", false);
}

#[test]
fn panic_of_an_output_ends_the_agent() {
    ends_the_agent("sink-output", "sink-output", false);
}

#[test]
fn panic_of_the_lease_ends_the_agent() {
    ends_the_agent("lease", "lease", false);
}

#[test]
fn panic_of_the_control_socket_ends_the_agent() {
    ends_the_agent("control", "control", false);
}

#[test]
fn panic_of_the_recording_ends_the_agent() {
    ends_the_agent("record", "record", true);
}

#[test]
fn panic_of_the_packet_socket_ends_the_agent() {
    ends_the_agent("record-packets", "record-lan0", true);
}

/// Longer than that.
const STOPPED: Duration = Duration::from_secs(15);

/// Seconds without a sign of life after which a thread hangs, in tests of that.
const HANGS_AFTER: &str = "10";

/// Makes a thread hang for ten minutes, and gives the exit code and the log of the agent.
fn with_hung_thread(point: &str, config: &str) -> (Option<i32>, String) {
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").fault(&format!("hang:{point}:600")).config(config);
    agent.environment("SMB_SENSOR_HANGS_AFTER", HANGS_AFTER).start().unwrap().exited().unwrap()
}

/// Checks that an agent with a thread that hangs here ends with an error that names the thread.
fn hang_ends_the_agent(point: &str, named: &str, config: &str) {
    let (code, log) = with_hung_thread(point, config);
    assert_eq!(code, Some(1), "{log}");
    let named = format!("smb-sensor: the thread {named} hangs: it gave no sign of life for {HANGS_AFTER} s");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with(&named), "the error is the last line: {log}");
    assert!(log.contains("The agent ends with"), "{log}");
}

#[test]
fn hang_of_the_reader_ends_the_agent() {
    require_lab!(Network);
    hang_ends_the_agent("reader", "reader", "");
}

#[test]
fn hang_of_the_lease_ends_the_agent() {
    require_lab!(Network);
    hang_ends_the_agent("lease", "lease", "");
}

#[test]
fn hang_of_the_store_outside_of_the_disk_ends_the_agent() {
    require_lab!(Network);
    hang_ends_the_agent("store-writer-itself", "store-writer", "");
}

#[test]
fn hang_of_an_output_outside_of_its_destination_ends_the_agent() {
    require_lab!(Network);
    hang_ends_the_agent("sink-output", "sink-output", "");
}

#[test]
fn hang_of_the_control_socket_ends_the_agent() {
    require_lab!(Network);
    hang_ends_the_agent("control", "control", "");
}

#[test]
fn hang_of_the_http_server_ends_the_agent() {
    require_lab!(Network);
    hang_ends_the_agent("http", "http", "[http]\nlisten = \"127.0.0.1:9750\"\n");
}

/// Checks that enforcement drops SYNs for longer than two leases.
fn enforces_for_two_leases(border: &Topology, server: SocketAddr) {
    let began = Instant::now();
    while began.elapsed() < TWO_LEASES {
        assert!(!is_let_through(border.client(), server), "let through after {:?}", began.elapsed());
    }
}

#[test]
fn enforcement_continues_while_the_store_hangs_for_a_minute() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").fault("hang:store-writer:60").arguments(&["--enforce"]);
    let agent = agent.config("statistics_interval = 1\n").start().unwrap();
    enforces_for_two_leases(&border, server.address());
    // The store did hang for this long, and that is counted.
    assert!(agent.documents().is_empty(), "{:#?}", agent.documents());
    let log = agent.log();
    let line = log.lines().rfind(|line| line.contains("statistics:")).unwrap_or_default();
    assert!(line.contains(" written=0 ") && !line.contains(" unsaved=0 "), "{log}");
    agent.kill().unwrap();
}

/// Starts an agent whose threat list, when it reads it again, does not answer for ten minutes, and has it read it again.
fn with_hanging_list(
    border: &Topology,
    folder: &std::path::Path,
    arguments: &'static [&'static str],
) -> Agent {
    let feed = folder.join("feed");
    std::fs::write(&feed, "8.8.4.4\n").unwrap();
    let config = format!("[[threat_list]]\nname = \"feed\"\nfile = \"{}\"\n", feed.display());
    let agent = Agent::on(border.gateway(), "lan0").config(&config).fault("hang:files:600");
    let mut agent = agent.arguments(arguments).start().unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    agent
}

#[test]
fn enforcement_continues_while_a_threat_list_that_is_read_does_not_answer() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = with_hanging_list(&border, scratch.path(), &["--enforce"]);
    enforces_for_two_leases(&border, server.address());
    assert!(!agent.log().contains("reloaded:"), "nothing hung: {}", agent.log());
    agent.kill().unwrap();
}

#[test]
fn a_session_is_reported_while_a_file_that_is_read_does_not_answer() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = with_hanging_list(&border, scratch.path(), &[]);
    let mut stream = connect(border.client(), server.address()).unwrap();
    sensor_tests::echo(&mut stream, &sensor_tests::SMB2_MESSAGE).unwrap();
    agent.wait_for(sensor_tests::has_finding(OUTBOUND, "smb")).unwrap();
    assert!(!agent.log().contains("reloaded:"), "nothing hung: {}", agent.log());
    // It ends before the file answers, too.
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn agent_whose_store_waits_for_the_disk_for_longer_than_a_thread_may_hang_goes_on() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").fault("hang:store-writer:25");
    let agent = agent.environment("SMB_SENSOR_HANGS_AFTER", HANGS_AFTER).start().unwrap();
    let mut stream = connect(border.client(), server.address()).unwrap();
    sensor_tests::echo(&mut stream, &sensor_tests::SMB2_MESSAGE).unwrap();
    agent
        .wait_for_log("the thread store-writer has waited for its disk for 10 s; the agent goes on")
        .unwrap();
    agent.wait_for(sensor_tests::has_finding(OUTBOUND, "smb")).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(ended.log.matches("has waited for").count(), 1, "{}", ended.log);
}

#[test]
fn agent_that_was_stopped_for_longer_than_a_thread_may_hang_goes_on() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").environment("SMB_SENSOR_HANGS_AFTER", HANGS_AFTER);
    let mut agent = agent.start().unwrap();
    agent.signal(Signal::SIGSTOP).unwrap();
    // Nothing shows how long it was stopped but the time.
    std::thread::sleep(STOPPED);
    agent.signal(Signal::SIGCONT).unwrap();
    let mut stream = connect(border.client(), server.address()).unwrap();
    sensor_tests::echo(&mut stream, &sensor_tests::SMB2_MESSAGE).unwrap();
    agent.wait_for(sensor_tests::has_finding(OUTBOUND, "smb")).unwrap();
    // The next looks find nothing either.
    std::thread::sleep(Duration::from_secs(3));
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("hangs") && !ended.log.contains("lapsed"), "{}", ended.log);
}

/// A process that is killed on drop.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An agent with the given standard error, whose documents go into a file.
fn agent_with_stderr(border: &Topology, scratch: &std::path::Path, stderr: Stdio) -> Killed {
    let mut command = border.gateway().command(Agent::program().unwrap());
    let state = scratch.join("state");
    command.args(["run", "--iface", "lan0", "--attribution", "off", "--learning-hours", "0", "--enforce"]);
    command.arg("--state-dir").arg(state).arg("--output").arg(scratch.join("documents.json"));
    command.env("RUST_LOG", "trace").stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    Killed(sensor_lab::spawn(command).unwrap())
}

fn documents(scratch: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(scratch.join("documents.json")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A full pipe, and its reader, which never reads.
fn full_pipe() -> (OwnedFd, File) {
    let (reader, writer) = pipe().unwrap();
    let flags = OFlag::from_bits_retain(fcntl(writer.as_fd(), FcntlArg::F_GETFL).unwrap());
    fcntl(writer.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    let mut writer = File::from(writer);
    let full = (0..1 << 20).find_map(|_| writer.write(b"x").err()).unwrap();
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    fcntl(writer.as_fd(), FcntlArg::F_SETFL(flags)).unwrap();
    (reader, writer)
}

#[test]
fn enforcement_and_documents_continue_with_an_unread_log() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let (_reader, stderr) = full_pipe();
    let _agent = agent_with_stderr(&border, scratch.path(), stderr.into());
    let is_denied = |one: &Value| text(one, "/smb_sensor/enforcement") == "dropped";
    // A connection may also be too slow before the agent has begun: its document says which.
    let enforced = poll(PATIENCE, || {
        let passes = is_let_through(border.client(), server.address());
        (!passes && documents(scratch.path()).iter().any(is_denied)).then_some(())
    });
    enforced.expect("it is not in force, so the agent did not start");
    let written = documents(scratch.path()).len();
    enforces_for_two_leases(&border, server.address());
    // Another server gives something new to say.
    let _ = is_let_through(border.client(), (address::SERVER_V6, 445).into());
    let opened = poll(PATIENCE, || {
        let all = documents(scratch.path());
        all.get(written..)?.iter().any(is_denied).then_some(all)
    });
    let opened = opened.expect("documents go on");
    opened.iter().for_each(|document| follows_schema(document).unwrap());
}

#[test]
fn agent_without_standard_error_works_and_ends_in_order() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let mut command = border.gateway().command("sh");
    let (state, output) = (scratch.path().join("state"), scratch.path().join("documents.json"));
    command.args(["-c", "exec \"$@\" 2>&-", "sh"]).arg(Agent::program().unwrap());
    command.args(["run", "--iface", "lan0", "--attribution", "off", "--learning-hours", "0"]);
    command.arg("--state-dir").arg(state).arg("--output").arg(&output).stdin(Stdio::null());
    let mut agent = Killed(sensor_lab::spawn(command).unwrap());
    let opened = || {
        let _ = connect(border.client(), server.address());
        documents(scratch.path()).into_iter().find(|one| text(one, "/rule/id") == OUTBOUND)
    };
    poll(PATIENCE, opened).expect("an incident");
    let pid = nix::unistd::Pid::from_raw(agent.0.id().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGINT).unwrap();
    let status = poll(PATIENCE, || agent.0.try_wait().transpose()).expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn short_commands_write_their_errors_and_nothing_before_them() {
    let scratch = scratch_dir().unwrap();
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.args(["alerts", "--state-dir"]).arg(scratch.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("smb-sensor: there is no database in"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}
