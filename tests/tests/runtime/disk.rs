//! A state directory on a full disk, or on one without write access.

use std::process::Command;

use sensor_lab::{Answer, TcpListener, Topology, address, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, connect, text};
use serde_json::Value;

const WAITS: &str = "documents wait in memory until the disk takes them";

#[test]
fn full_disk_delays_documents_until_there_is_space() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let servers: Vec<_> = (0..3)
        .map(|number| (address::SERVER_V4, [445, 139, 135][number]))
        .map(|address| TcpListener::start(border.server(), address, Answer::Echo).unwrap())
        .collect();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(&state).with_small_state(4 << 10);
    let agent = agent.start().unwrap();
    // In a mount that only the agent sees.
    let beside = |script: &str| {
        let output = Command::new("nsenter")
            .args(["--mount", "--target", &agent.id().to_string(), "--", "sh", "-c", script, "sh"])
            .args([state.as_path(), &Agent::program().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    beside("dd if=/dev/zero of=\"$1/ballast\" bs=4k 2>/dev/null; test -s \"$1/ballast\"");
    let converse = || drop(connect(border.client(), servers[0].address()).unwrap());
    // The free end of a page may accept some.
    let refused = || {
        converse();
        agent.log().contains(WAITS).then_some(())
    };
    poll(PATIENCE, refused).unwrap_or_else(|| panic!("the disk is not full: {}", agent.log()));
    let written = agent.documents().len();
    converse();
    beside("rm \"$1/ballast\"");
    poll(PATIENCE, || (agent.documents().len() > written).then_some(())).expect("documents go on");
    let listed = beside("\"$2\" alerts --json --state-dir \"$1\"");
    assert!(listed.lines().count() > 0, "what is stored is listed: {listed}");
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    // The write-ahead log frees space meanwhile, so the store may recover more than once.
    assert!(ended.log.contains("the store takes documents again"), "{}", ended.log);
    assert_eq!((ended.number("unsaved").unwrap(), ended.number("dropped").unwrap()), (0, 0));
    let sequences: Vec<&Value> = ended.documents.iter().map(|one| &one["event"]["sequence"]).collect();
    assert!(ended.documents.iter().any(|one| text(one, "/rule/id") == "smb-to-internet"), "{sequences:?}");
}

#[test]
fn names_an_unwritable_state_directory_with_its_reason() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let mut command = border.gateway().command("unshare");
    let script = "mount -t tmpfs -o ro smb-sensor \"$0\" && exec \"$@\"";
    command.args(["--mount", "--", "sh", "-c", script]).arg(&state).arg(Agent::program().unwrap());
    command.args(["run", "--iface", "lan0", "--attribution", "off", "--state-dir"]).arg(&state);
    let mut process = sensor_lab::Process::spawn(command).unwrap();
    let status = process.wait(PATIENCE).unwrap();
    let log = process.stderr_lines().join("\n");
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap_or_default();
    let named =
        format!("smb-sensor: cannot use the state directory {}: Read-only file system", state.display());
    assert!(last.starts_with(&named), "{log}");
    let advice = ". Mount its file system writable, or give a --state-dir on one that is";
    assert!(last.ends_with(advice), "{log}");
}
