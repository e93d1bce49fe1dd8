//! A program that is run for critical incidents: its input, its record in the journal, and the output of `status`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use sensor_lab::{Smbclient, Smbd, Topology, address, poll, require_lab};
use sensor_tests::{Agent, PATIENCE, number, text};
use serde_json::Value;

/// A program in a folder into which the user nobody may write.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without its program")]
fn program(folder: &Path, script: &str) -> PathBuf {
    let program = folder.join("isolate");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    for (path, mode) in [(program.as_path(), 0o755), (folder, 0o1777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    program
}

fn config(program: &Path, keys: &str) -> String {
    let folder = program.parent().unwrap_or(Path::new("/"));
    format!("[response]\nexec = [{program:?}, {folder:?}]\nexec_user = \"nobody\"\n{keys}")
}

fn is_run(document: &Value) -> bool {
    text(document, "/event/action") == "exec-ended"
}

/// Standard output of `smb-sensor status`, and whether the exit code says that something is wrong.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn status(state_dir: &Path) -> (String, bool) {
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.arg("status").arg("--state-dir").arg(state_dir).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code() == Some(1))
}

#[test]
fn program_is_given_the_critical_incident_and_its_end_is_journalled() {
    require_lab!();
    for (script, timeout, result, code) in [
        ("cat >$1/incident; id -un >$1/user", 30, "succeeded", Some(0)),
        ("echo the API said no >&2; exit 3", 30, "failed", Some(3)),
        ("sleep 60", 1, "timed-out", None),
    ] {
        let border = Topology::border().unwrap();
        let _smbd = Smbd::start(border.server()).unwrap();
        let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let program = program(folder.path(), script);
        let agent = Agent::on(border.gateway(), "lan0")
            .config(&config(&program, &format!("exec_timeout = {timeout}\n")))
            .state_dir(state.path())
            .start()
            .unwrap();
        assert!(Smbclient::new(border.client(), address::SERVER_V4).list_shares().unwrap().success());
        let run = agent.wait_for(is_run).unwrap();
        let critical = agent.wait_for(|document| number(document, "/event/severity") == 99).unwrap();
        let incident = text(&critical, "/smb_sensor/incident/id");
        assert_eq!(text(&run, "/smb_sensor/exec/result"), result);
        assert_eq!(text(&run, "/smb_sensor/exec/incident"), incident);
        assert_eq!(run.pointer("/process/exit_code").and_then(Value::as_i64), code);
        assert_eq!(text(&run, "/user/name"), "nobody");
        let (shown, has_problems) = status(state.path());
        assert!(shown.contains("isolate as nobody: "), "{shown}");
        assert_eq!(has_problems && shown.contains("response.exec failed"), code != Some(0), "{shown}");
        if code == Some(0) {
            let given = fs::read_to_string(folder.path().join("incident")).unwrap();
            let given: Value = serde_json::from_str(&given).unwrap();
            assert_eq!(given, critical, "the very document that outputs get");
            assert_eq!(fs::read_to_string(folder.path().join("user")).unwrap(), "nobody\n");
            assert!(shown.contains(": 1 runs succeeded, 0 failed"), "{shown}");
        } else if code == Some(3) {
            assert_eq!(text(&run, "/smb_sensor/exec/stderr"), "the API said no\\u{a}");
        }
        let ended = agent.stop().unwrap();
        assert_eq!(ended.documents.iter().filter(|one| is_run(one)).count(), 1, "{:#?}", ended.documents);
    }
}

#[test]
fn agent_does_not_wait_for_the_program() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path(), "touch $1/began; sleep 60");
    let agent = Agent::on(border.gateway(), "lan0")
        .config(&config(&program, "exec_min_severity = \"high\"\nexec_timeout = 60\n"))
        .start()
        .unwrap();
    let client = Smbclient::new(border.client(), address::SERVER_V4);
    assert!(client.list_shares().unwrap().success());
    poll(PATIENCE, || folder.path().join("began").exists().then_some(())).unwrap();
    // While it hangs, the agent goes on with packets and documents.
    assert!(client.list_shares().unwrap().success());
    agent.wait_for(|document| number(document, "/smb_sensor/incident/connections") >= 2).unwrap();
    let log = agent.log();
    assert!(!log.contains("isolate ended") && !log.contains("isolate was"), "it hangs still: {log}");
    agent.stop().unwrap();
}

#[test]
fn mistakes_about_the_program_are_listed_with_their_place() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = program(folder.path(), "true");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    for (exec, words) in [
        (open.as_path(), "everybody may write"),
        (Path::new("isolate"), "is not an absolute path"),
        (Path::new("/no/such/isolate"), "No such file"),
    ] {
        let refused = Agent::on(border.gateway(), "lan0").config(&config(exec, "")).refused().unwrap();
        assert!(refused.stderr.contains("line 2, column 10: `exec`: "), "{}", refused.stderr);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let as_root = "[response]\nexec = \"/bin/true\"\n";
    let refused = Agent::on(border.gateway(), "lan0").config(as_root).refused().unwrap();
    assert!(refused.stderr.contains("would be run as root"), "{}", refused.stderr);
}
