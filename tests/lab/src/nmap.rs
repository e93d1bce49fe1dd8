//! nmap, run inside a namespace and bounded in time: sweeps of one port over many addresses, and scripts against one host.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{Namespace, Outcome, Process};

const TIME_LIMIT: Duration = Duration::from_secs(180);

/// What a sweep found. The three add up to the number of addresses tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Addresses whose port answered with SYN-ACK.
    pub open: usize,
    /// Addresses whose port answered with RST.
    pub closed: usize,
    /// Addresses that did not answer.
    pub filtered: usize,
}

/// How a sweep tries a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// A lone SYN; what answers is reset (`-sS`).
    HalfOpen,
    /// A whole connection, closed again (`-sT`).
    Connect,
}

/// nmap inside a namespace. It resolves no name and sends nothing but probes of the port.
pub struct Nmap<'a> {
    namespace: &'a Namespace,
    port: u16,
}

impl<'a> Nmap<'a> {
    /// nmap that tries TCP port 445.
    #[must_use]
    pub fn new(namespace: &'a Namespace) -> Self {
        Self { namespace, port: 445 }
    }

    /// Tries the port on all these addresses; each is an address or a range as nmap takes it, such as `8.9.0.0/24` or
    /// `8.9.1.0-43`.
    ///
    /// # Errors
    /// When nmap cannot be run, fails, or takes longer than a minute.
    pub fn sweep(&self, how: Sweep, targets: &[&str]) -> Result<Swept> {
        let mut command = self.nmap();
        command.arg(match how {
            Sweep::HalfOpen => "-sS",
            Sweep::Connect => "-sT",
        });
        // Without a bound on what it waits, silent addresses take seconds each; two more tries show that they are silent.
        command.args(["--min-rate", "300", "--max-rtt-timeout", "1s", "--max-retries", "2", "-oG", "-"]);
        let outcome = Outcome::of(Process::spawn(command_with(command, targets))?, TIME_LIMIT)?;
        ensure!(outcome.success(), "nmap failed: {}", outcome.output);
        let state = |name: &str| {
            let port = format!("Ports: {}/{name}/", self.port);
            outcome.output.lines().filter(|line| line.contains(&port)).count()
        };
        Ok(Swept { open: state("open"), closed: state("closed"), filtered: state("filtered") })
    }

    /// Runs scripts against one host, for example `smb-protocols`.
    ///
    /// # Errors
    /// When nmap cannot be run or takes longer than a minute; what the scripts found is in the [`Outcome`].
    pub fn scripts(&self, host: impl Into<IpAddr>, scripts: &[&str]) -> Result<Outcome> {
        let mut command = self.nmap();
        command.args(["-sT", "--script", &scripts.join(","), "--script-timeout", "20s"]);
        Outcome::of(Process::spawn(command_with(command, &[&host.into().to_string()]))?, TIME_LIMIT)
    }

    fn nmap(&self) -> Command {
        let mut command = self.namespace.command("nmap");
        command.args(["-Pn", "-n", "--disable-arp-ping", "-p", &self.port.to_string()]);
        command
    }
}

fn command_with(mut command: Command, targets: &[&str]) -> Command {
    command.args(targets);
    command
}
