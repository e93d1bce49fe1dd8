//! The journal: nothing that was told is lost, whatever ends the agent and whatever the disk does; and it can be read meanwhile.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

mod crash;
mod full_disk;
mod held_back;
mod left_open;
mod listing;

use std::{path::Path, process::Command};

use anyhow::Result;
use sensor_lab::{Answer, TcpListener, Topology, address};
use sensor_tests::{Agent, connect, documents_of, echo};
use serde_json::Value;

/// A conversation of the client with a server that echoes.
fn converse(border: &Topology) -> Result<()> {
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo)?;
    let mut stream = connect(border.client(), server.address())?;
    echo(&mut stream, &sensor_tests::SMB2_MESSAGE)
}

/// What `smb-sensor alerts` prints for a state directory.
fn listed(state_dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.arg("alerts").arg("--state-dir").arg(state_dir).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The documents of the journal in a state directory; each follows the schema.
fn journalled(state_dir: &Path, arguments: &[&str]) -> Vec<Value> {
    documents_of(listed(state_dir, &[&["--json"], arguments].concat()).lines()).unwrap()
}
