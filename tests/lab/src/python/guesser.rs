//! A guesser of passwords: one connection and one log-on for each pair of a user and a password.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::script;
use crate::{Namespace, Outcome, Process, scratch_dir};

const PROGRAM: &str = include_str!("../../python/impacket_guesser.py");
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// The result of the guesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guessed {
    /// Users that the server accepted, in the order of the guesses.
    pub accepted: Vec<String>,
    /// Guesses that the server refused.
    pub refused: usize,
}

/// A guesser, written with impacket's client (SMB 2.1).
pub struct Guesser<'a> {
    namespace: &'a Namespace,
    server: IpAddr,
}

impl<'a> Guesser<'a> {
    /// A guesser inside `namespace` of the server at that address.
    #[must_use]
    pub fn new(namespace: &'a Namespace, server: impl Into<IpAddr>) -> Self {
        Self { namespace, server: server.into() }
    }

    /// Tries these pairs of user and password, in their order.
    ///
    /// # Errors
    /// When Python cannot be run or takes longer than a minute, or a connection fails.
    pub fn guess(&self, pairs: &[(String, String)]) -> Result<Guessed> {
        let scratch = scratch_dir()?;
        let list = scratch.path().join("guesses");
        let lines: Vec<String> = pairs.iter().map(|(user, password)| format!("{user}\t{password}")).collect();
        fs::write(&list, lines.join("\n")).with_context(|| format!("write {}", list.display()))?;
        let mut command = script(self.namespace, PROGRAM);
        command.args(["--server", &self.server.to_string(), "--domain", "LAB", "--guesses"]).arg(&list);
        let outcome = Outcome::of(Process::spawn(command)?, TIME_LIMIT)?;
        ensure!(outcome.success(), "the guesser failed: {}", outcome.output);
        let of = |verdict: &str| {
            let words = outcome.output.lines().filter_map(|line| line.strip_prefix(verdict));
            words.map(|user| user.trim().to_owned()).collect::<Vec<_>>()
        };
        Ok(Guessed { accepted: of("accepted"), refused: of("refused").len() })
    }
}
