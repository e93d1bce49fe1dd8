//! The agent as a service: its messages to the service manager, and the shipped unit.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use sensor_lab::{Signal, Smbd, Topology, address, patience, poll, require_lab, scratch_dir, skip};
use sensor_tests::{Agent, Bpffs, EvidenceLevel, PATIENCE, reaches, smb_session};

/// A user without any privilege.
const NOBODY: u32 = 65_534;

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn listen(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { socket, path }
    }

    /// Starts an agent, which has to give a sign of life within this time.
    fn start(&self, border: &Topology, watchdog: Duration) -> Agent {
        Agent::on(border.gateway(), "lan0")
            .environment("NOTIFY_SOCKET", self.path.to_str().unwrap())
            .environment("WATCHDOG_USEC", &watchdog.as_micros().to_string())
            .config("")
            .start()
            .unwrap()
    }

    /// Waits for a message with this line, and gives the whole message and those before it.
    fn wait_for(&self, line: &str) -> Result<Vec<String>> {
        let deadline = Instant::now() + patience(PATIENCE);
        let mut messages = Vec::new();
        let mut buffer = [0; 4_096];
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let Ok(bytes) = self.socket.recv(&mut buffer) else { break };
            messages.push(String::from_utf8_lossy(&buffer[..bytes]).into_owned());
            if messages.last().is_some_and(|message| message.lines().any(|one| one == line)) {
                return Ok(messages);
            }
        }
        bail!("no {line:?} in {messages:?}")
    }
}

/// Whether every thread of a process stands still after a SIGSTOP (proc_pid_stat(5)).
fn is_stopped(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.flatten().all(|thread| {
        // A thread may have ended meanwhile.
        let state = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name before it may have spaces and parentheses.
        state.rsplit(") ").next().is_some_and(|after| after.is_empty() || after.starts_with('T'))
    })
}

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd/smb-sensor.service")
}

/// The words of a setting of the unit.
fn setting(name: &str) -> Vec<String> {
    let text = fs::read_to_string(unit()).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap().to_owned();
    value.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn service_manager_is_informed_from_the_start_to_the_end() {
    require_lab!();
    let border = Topology::border().unwrap();
    let folder = scratch_dir().unwrap();
    let manager = Manager::listen(folder.path());
    let mut agent = manager.start(&border, Duration::from_secs(2));
    let messages = manager.wait_for("READY=1").unwrap();
    assert!(messages.iter().any(|message| message == "STATUS=watching lan0\n"), "{messages:?}");
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1").unwrap();
    }
    agent.signal(Signal::SIGHUP).unwrap();
    let reloading = manager.wait_for("RELOADING=1").unwrap().pop().unwrap();
    assert!(reloading.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reloading:?}");
    manager.wait_for("READY=1").unwrap();
    agent.stop_by(Signal::SIGTERM).unwrap();
    manager.wait_for("STOPPING=1").unwrap();
}

#[test]
fn stopped_agent_gives_no_sign_of_life() {
    require_lab!();
    let border = Topology::border().unwrap();
    let folder = scratch_dir().unwrap();
    let manager = Manager::listen(folder.path());
    let mut agent = manager.start(&border, Duration::from_secs(1));
    manager.wait_for("WATCHDOG=1").unwrap();
    agent.signal(Signal::SIGSTOP).unwrap();
    poll(PATIENCE, || is_stopped(agent.id()).then_some(())).expect("it is stopped");
    let mut buffer = [0; 4_096];
    // What was sent before the signal still waits.
    manager.socket.set_nonblocking(true).unwrap();
    while manager.socket.recv(&mut buffer).is_ok() {}
    manager.socket.set_nonblocking(false).unwrap();
    manager.socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    assert!(manager.socket.recv(&mut buffer).is_err(), "signs of life of a stopped process");
    agent.signal(Signal::SIGCONT).unwrap();
    manager.wait_for("WATCHDOG=1").unwrap();
    agent.stop().unwrap();
}

#[test]
fn works_as_a_user_with_the_capabilities_of_the_unit() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let capabilities: Vec<_> =
        setting("AmbientCapabilities").iter().map(|one| one.to_lowercase().replacen("cap_", "", 1)).collect();
    let agent = Agent::on(border.gateway(), "lan0").unprivileged_but(&capabilities).start().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", agent.id())).unwrap();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    assert!(user.split_whitespace().all(|id| id == "65534"), "{user}");
    smb_session(border.client(), address::SERVER_V4).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    agent.stop().unwrap();
}

/// The effective capabilities of the threads of a process, by the names of the threads.
fn capabilities(process: u32) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of_thread = |task: fs::DirEntry| {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).ok();
        let status = read("status")?;
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        Some((read("comm")?.trim().to_owned(), u64::from_str_radix(effective.trim(), 16).ok()?))
    };
    tasks.filter_map(|task| of_thread(task.ok()?)).collect()
}

#[test]
fn threads_keep_only_the_capabilities_that_they_need() {
    // Numbers of capabilities (linux/capability.h).
    const NET_ADMIN: u64 = 1 << 12;
    const NET_RAW: u64 = 1 << 13;
    const SYS_PTRACE: u64 = 1 << 19;
    const BPF: u64 = 1 << 39;
    require_lab!();
    let border = Topology::border().unwrap();
    let folder = scratch_dir().unwrap();
    let names: Vec<_> =
        setting("AmbientCapabilities").iter().map(|one| one.to_lowercase().replacen("cap_", "", 1)).collect();
    let kept = |attributes: bool, config: &str| {
        let mut builder = Agent::on(border.gateway(), "lan0").unprivileged_but(&names).config(config);
        if attributes {
            builder = builder.owners_in_folder(folder.path());
        }
        let agent = builder.start().unwrap();
        let is_complete =
            |all: &BTreeMap<String, u64>| all.contains_key("http") && !all.contains_key("store-check");
        let found = poll(PATIENCE, || Some(capabilities(agent.id())).filter(is_complete));
        let found = found.unwrap_or_else(|| panic!("{:?}", capabilities(agent.id())));
        agent.stop().unwrap();
        found
    };
    let http = "[http]\nlisten = \"127.0.0.1:9645\"\n";
    let mut threads = kept(true, http);
    assert_eq!(threads.remove("lease"), Some(BPF));
    assert_eq!(threads.remove("smb-sensor"), Some(NET_ADMIN | SYS_PTRACE | BPF), "the reader");
    assert!(threads.len() > 4 && threads.values().all(|set| *set == 0), "{threads:x?}");

    let file = folder.path().join("packets.pcapng");
    // The agent runs as nobody.
    std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)).unwrap();
    let threads = kept(false, &format!("[record]\nfile = {file:?}\n{http}"));
    assert_eq!(threads["smb-sensor"], NET_ADMIN | NET_RAW | BPF);
}

/// The lines of `smb-sensor check --security` for this state directory, by their state.
fn security(border: &Topology, state_dir: &Path) -> Vec<(String, String)> {
    let mut command = border.gateway().command(Agent::program().unwrap());
    command.args(["check", "--security", "--json", "--state-dir"]).arg(state_dir);
    let output = command.output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    let text = |check: &serde_json::Value, name: &str| check[name].as_str().unwrap().to_owned();
    checks
        .map(|check| (text(check, "state"), format!("{}: {}", text(check, "check"), text(check, "text"))))
        .collect()
}

#[test]
fn check_shows_what_confines_the_running_agent() {
    require_lab!();
    let border = Topology::border().unwrap();
    let folder = scratch_dir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let state = folder.path().join("state");
    let found = security(&border, &state);
    assert!(
        found.iter().any(|(state, text)| state == "missing" && text.starts_with("agent: ")),
        "{found:#?}"
    );

    let names: Vec<_> =
        setting("AmbientCapabilities").iter().map(|one| one.to_lowercase().replacen("cap_", "", 1)).collect();
    let http = "[http]\nlisten = \"127.0.0.1:9646\"\n";
    let agent = || Agent::on(border.gateway(), "lan0").state_dir(&state).config(http);
    let unprivileged = agent().unprivileged_but(&names).start().unwrap();
    let found = security(&border, &state);
    let threads: Vec<_> = found.iter().filter(|(_, text)| text.starts_with("threads: ")).collect();
    let is_confined = |(state, text): &&(String, String)| {
        state == "ok" && text.ends_with("; no new privileges; system calls filtered")
    };
    assert!(threads.len() >= 3 && threads.iter().all(is_confined), "{found:#?}");
    let of = |name: &str| threads.iter().find(|(_, text)| text.contains(name)).unwrap();
    assert!(of("http").1.contains(": no capability;") && of("lease").1.contains(": CAP_BPF;"), "{found:#?}");
    assert!(of("smb-sensor").1.contains("CAP_BPF CAP_NET_ADMIN"), "{found:#?}");
    let has = |wanted: &str| found.iter().any(|(state, text)| state == "ok" && text.contains(wanted));
    assert!(has("files: ") && has("runs as ") && has("landlock: "), "{found:#?}");
    unprivileged.stop().unwrap();

    let root = agent().start().unwrap();
    fs::set_permissions(state.join("fingerprint.key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    let found = security(&border, &state);
    let has = |state: &str, wanted: &str| found.iter().any(|(is, text)| is == state && text.contains(wanted));
    assert!(has("limited", "runs as root") && has("limited", "threads: smb-sensor: "), "{found:#?}");
    assert!(has("missing", "fingerprint.key has the mode 0644"), "{found:#?}");
    root.stop().unwrap();
}

#[test]
fn restarts_without_a_gap_as_a_user_with_the_capabilities_of_the_unit() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let capabilities: Vec<_> =
        setting("AmbientCapabilities").iter().map(|one| one.to_lowercase().replacen("cap_", "", 1)).collect();
    let bpffs = Bpffs::mount().unwrap();
    bpffs.give_to(NOBODY).unwrap();
    let folder = scratch_dir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let agent = || {
        Agent::on(border.gateway(), "lan0")
            .unprivileged_but(&capabilities)
            .state_dir(&folder.path().join("state"))
            .config(&format!("statistics_interval = 1\n{}", bpffs.section()))
            .start()
            .unwrap()
    };
    agent().kill().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    let agent = agent();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();
    // Once a second it looks whether its programs are attached.
    let looked = || (agent.log().matches("statistics:").count() >= 3).then_some(());
    poll(PATIENCE, looked).unwrap();
    assert!(!agent.log().contains("was taken off"), "{}", agent.log());
    agent.stop().unwrap();
}

#[test]
fn unit_is_valid_and_hardened() {
    assert_eq!(setting("AmbientCapabilities"), setting("CapabilityBoundingSet"));
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(unit()).output();
        output.map(|output| {
            let text = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&text).into_owned())
        })
    };
    // 25 is an exposure of 2.5.
    let Ok((is_hardened, report)) = analyze(&["security", "--offline=true", "--threshold=25"]) else {
        skip("unit_is_valid_and_hardened", "systemd-analyze is not in PATH: install the package systemd");
        return;
    };
    assert!(is_hardened, "{report}");
    // The program of the unit is not installed here, which the report says too.
    let (_, report) = analyze(&["verify", "--man=no"]).unwrap();
    let faults: Vec<_> = report.lines().filter(|line| !line.contains("is not executable")).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
