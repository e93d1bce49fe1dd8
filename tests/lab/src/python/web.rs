//! A web server, with or without TLS, and a client that fetches one page: traffic on SMB's ports that is not SMB.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use super::script;
use crate::{Namespace, Outcome, Process, Scratch, scratch_dir};

const PROGRAM: &str = include_str!("../../python/web.py");
const TIME_LIMIT: Duration = Duration::from_secs(40);

/// A running web server. Dropping it ends it.
pub struct WebServer {
    // Drop order matters.
    _process: Process,
    _scratch: Scratch,
    tls: bool,
}

impl WebServer {
    /// Starts it in `namespace` on a port of all IPv4 addresses, and returns when it listens. With `tls` it has a certificate
    /// that it signed itself.
    ///
    /// # Errors
    /// When Python cannot be run, or the server does not come up within 40 s.
    pub fn start(namespace: &Namespace, port: u16, tls: bool) -> Result<Self> {
        let scratch = scratch_dir()?;
        let mut command = script(namespace, PROGRAM);
        command.args(["serve", "--port", &port.to_string(), "--folder"]).arg(scratch.path());
        if tls {
            command.arg("--tls");
        }
        let process = Process::spawn(command)?;
        process.wait_for_line(TIME_LIMIT, |line| line == "ready")?;
        Ok(Self { _process: process, _scratch: scratch, tls })
    }

    /// Fetches its page from inside another namespace.
    ///
    /// # Errors
    /// When Python cannot be run or takes longer than 40 s; a refusal is an [`Outcome`].
    pub fn fetch(&self, from: &Namespace, address: impl Into<IpAddr>, port: u16) -> Result<Outcome> {
        let scheme = if self.tls { "https" } else { "http" };
        let mut command = script(from, PROGRAM);
        command.args(["fetch", &format!("{scheme}://{}/", SocketAddr::new(address.into(), port))]);
        Outcome::of(Process::spawn(command)?, TIME_LIMIT)
    }
}
