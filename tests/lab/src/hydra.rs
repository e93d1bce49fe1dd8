//! hydra, run inside a namespace and bounded in time. Debian builds it without SMB 2: it speaks SMB 1 and answers by NTLMv1,
//! so that a server has to accept both.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{Namespace, Outcome, Process, scratch_dir};

const TIME_LIMIT: Duration = Duration::from_secs(180);

/// hydra inside a namespace, for one server on port 445.
pub struct Hydra<'a> {
    namespace: &'a Namespace,
    server: IpAddr,
}

impl<'a> Hydra<'a> {
    /// hydra inside `namespace` for the server at that address.
    #[must_use]
    pub fn new(namespace: &'a Namespace, server: impl Into<IpAddr>) -> Self {
        Self { namespace, server: server.into() }
    }

    /// Guesses these passwords for one user, in their order, until one is right. Gives that one.
    ///
    /// # Errors
    /// When hydra cannot be run, fails, or takes longer than a minute.
    pub fn guess(&self, user: &str, passwords: &[String]) -> Result<Option<String>> {
        let scratch = scratch_dir()?;
        let list = scratch.path().join("passwords");
        fs::write(&list, passwords.join("\n")).with_context(|| format!("write {}", list.display()))?;
        let mut command = self.namespace.command("hydra");
        // -I: no state of an earlier run is looked for, and none of this one goes anywhere but into the scratch folder.
        command.current_dir(scratch.path()).args(["-I", "-l", user, "-P"]).arg(&list);
        command.args([&self.server.to_string(), "smb"]);
        let outcome = Outcome::of(Process::spawn(command)?, TIME_LIMIT)?;
        ensure!(outcome.success(), "hydra failed: {}", outcome.output);
        let found = outcome.output.lines().find_map(|line| line.split_once("password: "));
        Ok(found.map(|(_, password)| password.trim().to_owned()))
    }
}
