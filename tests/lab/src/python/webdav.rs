//! A WebDAV server that logs its clients on by NTLM, with pyspnego.

use std::time::Duration;

use anyhow::Result;

use super::script;
use crate::{Namespace, PASSWORD, Process, USER};

const PROGRAM: &str = include_str!("../../python/webdav.py");
const TIME_LIMIT: Duration = Duration::from_secs(40);

/// A running server that lets [`USER`] in. Dropping it ends it.
pub struct WebDavServer {
    _process: Process,
}

impl WebDavServer {
    /// Starts it in `namespace` on a port of all IPv4 addresses, and returns when it listens.
    ///
    /// # Errors
    /// When Python cannot be run, or the server does not come up within 40 s.
    pub fn start(namespace: &Namespace, port: u16) -> Result<Self> {
        let mut command = script(namespace, PROGRAM);
        command.args(["--port", &port.to_string(), "--user", USER, "--password", PASSWORD]);
        let process = Process::spawn(command)?;
        process.wait_for_line(TIME_LIMIT, |line| line == "ready")?;
        Ok(Self { _process: process })
    }
}
