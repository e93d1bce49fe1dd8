//! The clients of impacket and smbprotocol, run inside a namespace and bounded in time.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;

use super::script;
use crate::{Namespace, Outcome, PASSWORD, Process, SHARE, USER};

const IMPACKET: &str = include_str!("../../python/impacket_client.py");
const SMBPROTOCOL: &str = include_str!("../../python/smbprotocol_client.py");

/// Python starts, and on a loaded machine it does so slowly.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// A client of one server, by default as [`USER`] of domain `LAB` with her password, on port 445. Each run is one session
/// over one connection, unless [`halt_after`](PythonClient::halt_after) asks for more.
pub struct PythonClient<'a> {
    namespace: &'a Namespace,
    program: &'static str,
    server: IpAddr,
    port: u16,
    user: String,
    password: String,
    domain: String,
    options: Vec<String>,
}

impl<'a> PythonClient<'a> {
    /// impacket's client inside `namespace`; by default it speaks SMB 2.1.
    #[must_use]
    pub fn impacket(namespace: &'a Namespace, server: impl Into<IpAddr>) -> Self {
        Self::new(namespace, IMPACKET, server.into())
    }

    /// smbprotocol's client inside `namespace`; by default it speaks SMB 3.1.1.
    #[must_use]
    pub fn smbprotocol(namespace: &'a Namespace, server: impl Into<IpAddr>) -> Self {
        Self::new(namespace, SMBPROTOCOL, server.into())
    }

    fn new(namespace: &'a Namespace, program: &'static str, server: IpAddr) -> Self {
        Self {
            namespace,
            program,
            server,
            port: 445,
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            domain: "LAB".to_owned(),
            options: Vec::new(),
        }
    }

    /// Another port; on 139 impacket speaks NetBIOS sessions.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Another password or another user, for a log-on that fails.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    /// No user at all (a null session).
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        for word in [&mut self.user, &mut self.password, &mut self.domain] {
            word.clear();
        }
        self
    }

    /// The dialect: `1` (impacket alone), `2.0.2`, `2.1`, `3.0` or `3.1.1`. impacket encrypts from 3.0 on.
    #[must_use]
    pub fn dialect(self, dialect: &str) -> Self {
        self.option("--dialect").option(dialect)
    }

    /// Answers the challenge by NTLM version 1 (impacket over SMB 2 alone).
    #[must_use]
    pub fn ntlmv1(self) -> Self {
        self.option("--ntlmv1")
    }

    /// Encrypts the session (smbprotocol alone).
    #[must_use]
    pub fn encrypt(self) -> Self {
        self.option("--encrypt")
    }

    /// Sends this many bytes of each message in a segment of their own (smbprotocol alone). Given several times, each is a session
    /// of its own, one after the other.
    #[must_use]
    pub fn halt_after(self, bytes: usize) -> Self {
        self.option("--halt-after").option(&bytes.to_string())
    }

    /// Sends the rest of each message on another CPU than those bytes (smbprotocol alone).
    #[must_use]
    pub fn change_cpu(self) -> Self {
        self.option("--change-cpu")
    }

    fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// One session that takes these steps on [`SHARE`]: `shares` (lists them), `tree:NAME`, `get:FILE`,
    /// `put:FILE:BYTES`, and of impacket `samr`, `lsarpc`, `service` (asks for a service, and prints whether it was created or
    /// refused), `registry` (asks for a key, a value and a copy of the registry, and prints the same of each), `job` (adds a job
    /// of the old task scheduler, and prints its number), `note:PATH` (creates that file of this machine) and `await:PATH`
    /// (continues, with the session open, once that file exists). Of smbprotocol also `compounds:COUNT:BYTES`, which stores that
    /// many files of that length, each in one compound, and prints how many bytes the client sent in all.
    ///
    /// # Errors
    /// When Python cannot be run or takes too long; a refusal is an [`Outcome`].
    pub fn run(&self, steps: &[&str]) -> Result<Outcome> {
        let mut command = script(self.namespace, self.program);
        command.args(["--server", &self.server.to_string(), "--port", &self.port.to_string()]);
        command.args(["--user", &self.user, "--password", &self.password, "--domain", &self.domain]);
        command.args(["--share", SHARE]).args(&self.options).args(steps);
        Outcome::of(Process::spawn(command)?, TIME_LIMIT)
    }
}
