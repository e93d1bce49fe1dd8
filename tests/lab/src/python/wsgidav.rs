//! WsgiDAV, a WebDAV server from PyPI, open to everybody.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::script;
use crate::{Namespace, Process, Scratch, scratch_dir};

const PROGRAM: &str = "from wsgidav.server.server_cli import run; run()";
const TIME_LIMIT: Duration = Duration::from_secs(40);

/// A running server of an empty folder. Dropping it ends it.
pub struct WsgiDav {
    folder: Scratch,
    _process: Process,
}

impl WsgiDav {
    /// Starts it in `namespace` on a port of all IPv4 addresses, and returns when it listens.
    ///
    /// # Errors
    /// When Python cannot be run, or the server does not come up within 40 s.
    pub fn start(namespace: &Namespace, port: u16) -> Result<Self> {
        let folder = scratch_dir().context("make the folder of WsgiDAV")?;
        let mut command = script(namespace, PROGRAM);
        command.args(["--host", "0.0.0.0", "--port", &port.to_string(), "--auth", "anonymous"]);
        command.args(["--server", "cheroot", "--root"]).arg(folder.path());
        let process = Process::spawn(command)?;
        process.wait_for_line(TIME_LIMIT, |line| line.contains("Serving on"))?;
        Ok(Self { folder, _process: process })
    }

    /// The folder that it serves.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
