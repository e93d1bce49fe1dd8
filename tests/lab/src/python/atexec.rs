//! impacket's atexec inside a namespace: it runs a command on a server as a scheduled task.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;

use super::folder;
use crate::{Namespace, Outcome, PASSWORD, Process, USER};

/// Python starts, and on a loaded machine it does so slowly.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// atexec for one server, as [`USER`] of domain `LAB`. It seals its calls, and reads the output from ADMIN$.
pub struct Atexec<'a> {
    namespace: &'a Namespace,
    server: IpAddr,
}

impl<'a> Atexec<'a> {
    /// atexec inside `namespace`.
    #[must_use]
    pub fn new(namespace: &'a Namespace, server: impl Into<IpAddr>) -> Self {
        Self { namespace, server: server.into() }
    }

    /// Runs a command and prints its output. The exit code is 0 whatever comes of it.
    ///
    /// # Errors
    /// When Python cannot be run or takes too long.
    pub fn run(&self, command: &str) -> Result<Outcome> {
        let mut atexec = self.namespace.command(folder().join("bin/python"));
        atexec.args(["-I", "-u"]).arg(folder().join("bin/atexec.py"));
        atexec.args([&format!("LAB/{USER}:{PASSWORD}@{}", self.server), command]);
        Outcome::of(Process::spawn(atexec)?, TIME_LIMIT)
    }
}
