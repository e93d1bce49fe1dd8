//! The second and third implementation of SMB: impacket and smbprotocol, in a virtual environment of the workspace's own.
//!
//! `cargo xtask setup` makes the environment. It is complete if it was made from the list of versions with which this crate was
//! compiled.

mod atexec;
mod client;
mod guesser;
mod relay;
mod server;
mod web;
mod webdav;
mod wsgidav;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use atexec::Atexec;
pub use client::PythonClient;
pub use guesser::{Guessed, Guesser};
pub use relay::NtlmRelay;
pub use server::{ImpacketServer, TASK_OUTPUT};
pub use web::WebServer;
pub use webdav::WebDavServer;
pub use wsgidav::WsgiDav;

use crate::Namespace;

/// The packages, each with its version, as pip reads them.
const REQUIREMENTS: &str = include_str!("../../python/requirements.txt");
/// A copy of the list that an environment was made from, written when all of it was installed.
const MADE_FROM: &str = "made-from.txt";

/// Where the environment is: below the workspace's `target`, wherever builds may go.
#[must_use]
pub fn folder() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.ancestors().nth(2).unwrap_or(lab).join("target/lab-python")
}

/// The list of packages, a file for `pip install --no-deps --requirement`.
#[must_use]
pub fn requirements() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/requirements.txt")
}

/// Notes that all packages are installed.
///
/// # Errors
/// When the note cannot be written.
pub fn note_made() -> std::io::Result<()> {
    fs::write(folder().join(MADE_FROM), REQUIREMENTS)
}

/// Whether the environment is there with the very packages of the list.
#[must_use]
pub fn is_made() -> bool {
    fs::read_to_string(folder().join(MADE_FROM)).is_ok_and(|list| list == REQUIREMENTS)
}

/// A script in the environment's Python, inside a namespace. `-I`: it imports nothing from the caller's environment.
fn script(namespace: &Namespace, text: &str) -> Command {
    let mut command = namespace.command(folder().join("bin/python"));
    command.args(["-I", "-u", "-c", text]);
    command
}
