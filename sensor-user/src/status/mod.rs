//! `smb-sensor status`: the state that a running agent reports.
//!
//! The agent fills a [`Status`] and sends it over the control socket as JSON; the command writes it as text or JSON. Its exit
//! code says whether an agent runs and whether something is wrong with it.

mod problems;
pub(crate) mod text;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use self::problems::problems;
use crate::{
    arguments::directory,
    config::DEFAULT_STATE_DIR,
    control::{self, ControlError, Request},
    stdout, storage,
};

/// Exit code when an agent runs and something is wrong with it.
const PROBLEM: u8 = 1;

/// Why there is no state.
#[derive(Debug, Error)]
pub enum NoStatus {
    /// No agent runs.
    #[error("no agent runs on {}: start it with `smb-sensor run`, or name its --state-dir", _0.display())]
    NotRunning(PathBuf),
    /// An agent may run, and does not answer.
    #[error(transparent)]
    Unknown(ControlError),
}

impl NoStatus {
    /// The exit code, as of init scripts in the Linux Standard Base.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotRunning(_) => 3.into(),
            Self::Unknown(_) => 4.into(),
        }
    }
}

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Write one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// State directory of the agent, as given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

/// The state of a running agent. Counts are since its start, and times are in RFC 3339, UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What is wrong at the moment; empty if nothing is.
    pub problems: Vec<String>,
    /// Version of the agent.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started: String,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// The active profile.
    pub profile: String,
    /// Interfaces that are watched, or should be.
    pub interfaces: Vec<InterfaceStatus>,
    /// Packets on watched ports.
    pub packets: Packets,
    /// The ring between kernel and agent.
    pub ring: Ring,
    /// The kernel's flow slots.
    pub slots: Slots,
    /// Connections that the agent follows.
    pub connections: Connections,
    /// The database.
    pub store: Store,
    /// Incidents.
    pub incidents: Incidents,
    /// Outputs.
    pub outputs: Vec<Output>,
    /// Exemptions.
    pub exemptions: Exemptions,
    /// The program that is run for incidents, if one is configured.
    #[serde(default)]
    pub exec: Option<ExecStatus>,
    /// Whether the kernel drops connections.
    pub enforcement: String,
    /// The last time the configuration was read again; none if it was not.
    pub last_reload: Option<Reload>,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name, or the configured pattern that no interface matches.
    pub name: String,
    /// How incoming packets are read; none if they are not.
    pub incoming: Option<String>,
    /// How outgoing packets are read; none if they are not.
    pub outgoing: Option<String>,
    /// Why it is not watched, or not in a better way.
    pub reason: Option<String>,
}

/// Packets on watched ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    /// All of them.
    pub seen: u64,
    /// Those that crossed the border, and are not exempt.
    pub kept: u64,
    /// Those whose record the ring could not take, and that no slot counted.
    pub lost: u64,
    /// Frames that could not be read as far as the ports.
    pub unparsed: u64,
}

/// The ring between kernel and agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// Size in bytes.
    pub bytes: u32,
    /// Records that went through it.
    pub records: u64,
    /// Records that it could not take.
    pub lost: u64,
    /// When it last could not.
    pub last_lost: Option<String>,
}

/// The kernel's flow slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// Slots of each CPU.
    pub per_cpu: u32,
    /// CPUs.
    pub cpus: usize,
    /// Flows that left their slot for another one.
    pub evicted: u64,
}

/// Connections that the agent follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Open now.
    pub open: usize,
    /// Left a full table before they ended.
    pub evicted: u64,
    /// Found no room in the table.
    pub untracked: u64,
}

/// The database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// Bytes of its file, if that can be read.
    pub bytes: Option<u64>,
    /// Most bytes that it may have.
    pub max_bytes: u64,
    /// Documents that were made.
    pub documents: u64,
    /// Documents that are not in the database yet.
    pub unsaved: u64,
    /// Documents that were lost: they did not fit in memory, or the database could not keep them.
    pub lost: u64,
    /// Documents that were removed as too old or too many.
    pub expired: u64,
    /// Why the database cannot be written now, if it cannot.
    pub failure: Option<String>,
}

/// Counts by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BySeverity {
    /// Low.
    pub low: u64,
    /// Medium.
    pub medium: u64,
    /// High.
    pub high: u64,
    /// Critical.
    pub critical: u64,
}

/// Incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incidents {
    /// Open now, by their present severity.
    pub open: BySeverity,
    /// Opened since the start, by their severity then.
    pub opened: BySeverity,
    /// Held back by the quota.
    pub held_back: u64,
}

/// An output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Name.
    pub name: String,
    /// Documents that were delivered.
    pub delivered: u64,
    /// Documents that it has not reached.
    pub waiting: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Documents that the destination refused for good.
    pub refused: u64,
    /// Documents that were removed before they could be delivered.
    pub lost: u64,
    /// Whether it could deliver when that was last seen; none where only a document shows that and there was none yet.
    #[serde(default)]
    pub can_deliver: Option<bool>,
    /// When documents were delivered last.
    pub last_success: Option<String>,
    /// The last failure.
    pub last_error: Option<Failure>,
}

/// A failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: String,
    /// Why.
    pub reason: String,
}

/// Exemptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemptions {
    /// In force.
    pub in_force: usize,
    /// Expired.
    pub expired: usize,
    /// In force, and never matched.
    pub never_matched: usize,
    /// Connections that they covered.
    pub connections: u64,
}

/// The program that is run for incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecStatus {
    /// Its path.
    pub program: String,
    /// As whom it runs.
    pub identity: String,
    /// Runs with exit code 0.
    pub succeeded: u64,
    /// Runs that ended otherwise.
    pub failed: u64,
    /// Runs that were killed because their time was over.
    pub timed_out: u64,
    /// Runs that did not begin.
    pub not_started: u64,
    /// Incidents for which it was not run because too many waited.
    pub left_out: u64,
    /// How the last run failed; none if it did not.
    pub last_error: Option<Failure>,
}

/// The last time the configuration was read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// When.
    pub at: String,
    /// Why the previous configuration is still in force; none if the new one is.
    pub error: Option<String>,
}

impl BySeverity {
    /// Counts in the order of [`Severity::ALL`](sensor_core::level::Severity::ALL).
    #[must_use]
    pub const fn of([low, medium, high, critical]: [u64; 4]) -> Self {
        Self { low, medium, high, critical }
    }

    /// Their sum.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.low + self.medium + self.high + self.critical
    }
}

/// Runs the command.
///
/// # Errors
/// [`NoStatus`], or if the answer cannot be read or written.
pub fn run(args: &StatusArgs) -> Result<ExitCode> {
    let status = ask(&args.state_dir)?;
    let text = if args.json { serde_json::to_string_pretty(&status)? + "\n" } else { text::of(&status) };
    stdout::write(|out| write!(out, "{text}"))?;
    Ok(if status.problems.is_empty() { ExitCode::SUCCESS } else { PROBLEM.into() })
}

/// The state of the agent of this state directory.
pub(crate) fn ask(state_dir: &Path) -> Result<Status> {
    let answer = control::ask(state_dir, &Request::Status).map_err(|error| match error {
        absent if absent.is_absence() => NoStatus::NotRunning(state_dir.to_owned()),
        silent => NoStatus::Unknown(silent),
    })?;
    if !answer.done {
        bail!("the agent does not report its state: {}", answer.text);
    }
    let mut status: Status = serde_json::from_str(&answer.text)
        .context("the agent reports its state in another form; do both have the same version?")?;
    // Not read by the agent, which waits for no disk.
    status.store.bytes = fs::metadata(storage::file(state_dir)).ok().map(|about| about.len());
    Ok(status)
}
