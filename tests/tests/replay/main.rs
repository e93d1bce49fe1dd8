//! `smb-sensor replay`: both engines give the same, for every format of a capture, and damage is reported with its place.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

mod damage;
mod engines;
mod forms;
mod live;
mod options;
mod quic;
mod report;
mod tunnels;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use sensor_tests::{Agent, Recording, documents_of};
use serde_json::Value;
use tempfile::TempDir;

/// A capture of the workspace.
fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/samba").join(name)
}

/// A capture with several alerts.
fn session() -> Recording {
    Recording::of(&recorded("smb3_00.pcap")).unwrap()
}

/// Runs `smb-sensor replay`.
fn replay(arguments: &[&str]) -> Output {
    Command::new(Agent::program().unwrap()).arg("replay").args(arguments).output().unwrap()
}

/// The same with something on standard input.
fn replay_from(input: &[u8], arguments: &[&str]) -> Output {
    let mut command = Command::new(Agent::program().unwrap());
    command.arg("replay").args(arguments).arg("-");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // In small parts, like a capturing program. The replay may end early.
        for part in input.chunks(100) {
            if stdin.write_all(part).and_then(|()| stdin.flush()).is_err() {
                return;
            }
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// The documents on standard output; each follows the schema.
fn documents(output: &Output) -> Vec<Value> {
    documents_of(str::from_utf8(&output.stdout).unwrap().lines()).unwrap()
}

/// The text on standard error.
fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file in a folder of its own.
fn file(name: &str, bytes: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}
