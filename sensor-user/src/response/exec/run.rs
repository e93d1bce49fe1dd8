//! One run of the program.

use std::{
    fmt,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStderr, ChildStdin, Command},
    time::timeout,
};

use super::{ExecOptions, Identity, program};
use crate::{
    kernel::descriptors,
    runtime::{Wait, waiting},
};

/// The whole environment of the program.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Bytes of standard error that are kept: the last ones.
const STDERR_KEPT: usize = 1_024;

/// Time for a killed program to be gone, and for its last words to be read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecResult {
    /// With an exit code.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
    /// It was killed when its time was over.
    TimedOut,
    /// It did not begin.
    NotStarted(String),
}

impl ExecResult {
    /// All results, for counters.
    pub const NAMES: [&'static str; 4] = ["succeeded", "failed", "timed-out", "not-started"];

    /// Its place in [`NAMES`](Self::NAMES).
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            Self::Exited(0) => 0,
            Self::Exited(_) | Self::Signalled(_) => 1,
            Self::TimedOut => 2,
            Self::NotStarted(_) => 3,
        }
    }

    /// Its name in documents and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        Self::NAMES[self.index()]
    }

    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Signalled(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for ExecResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "ended with exit code {code}"),
            Self::Signalled(signal) => write!(f, "was ended by signal {signal}"),
            Self::TimedOut => f.write_str("was killed because its time was over"),
            Self::NotStarted(reason) => write!(f, "was not started: {reason}"),
        }
    }
}

/// A run that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRun {
    /// The incident whose document it was given.
    pub incident: String,
    /// Its number since the start of the agent.
    pub number: u64,
    /// The program.
    pub program: String,
    /// The user as whom it ran.
    pub user: String,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub result: ExecResult,
    /// The last bytes of its standard error.
    pub stderr: Vec<u8>,
}

/// Runs the program with `document` as its standard input; returns how it ended, after what time, and its last words.
pub(super) async fn run(
    options: &ExecOptions,
    identity: &Identity,
    document: &str,
) -> (ExecResult, Duration, Vec<u8>) {
    let began = Instant::now();
    let mut child = match waiting(Wait::Program, || begin(options, identity)) {
        Ok(child) => child,
        Err(reason) => return (ExecResult::NotStarted(reason), began.elapsed(), vec![]),
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let mut tail = Vec::new();
    let (input, errors) = (child.stdin.take(), child.stderr.take());
    let ended = {
        let (giving, reading) = (give(input, document), keep_tail(errors, &mut tail));
        tokio::pin!(giving, reading);
        let (mut is_given, mut is_read) = (false, false);
        let ended = timeout(options.timeout, async {
            let waiting = child.wait();
            tokio::pin!(waiting);
            loop {
                tokio::select! {
                    status = &mut waiting => return status,
                    () = &mut giving, if !is_given => is_given = true,
                    () = &mut reading, if !is_read => is_read = true,
                }
            }
        })
        .await;
        // With everything that it started and that is still in its group.
        if let Some(group) = group {
            let _ = killpg(group, Signal::SIGKILL);
        }
        if !is_read {
            // Whoever left the group may hold its standard error open for ever.
            let _ = timeout(LAST_WORDS, &mut reading).await;
        }
        ended
    };
    let result = match ended {
        Ok(Ok(status)) => ExecResult::of(status),
        Ok(Err(error)) => ExecResult::NotStarted(error.to_string()),
        Err(_) => {
            // It is dead, and is not left as a zombie.
            let _ = timeout(LAST_WORDS, child.wait()).await;
            ExecResult::TimedOut
        }
    };
    (result, began.elapsed(), tail)
}

/// Looks whether the program may be run, and starts it. Both may wait for the disk of the program.
fn begin(options: &ExecOptions, identity: &Identity) -> Result<Child, String> {
    if let Some(problem) = program::problem(&options.program) {
        return Err(problem);
    }
    descriptors::close_at_exec().map_err(|error| format!("cannot close descriptors: {error}"))?;
    let mut command = Command::new(&options.program);
    command
        .args(&options.arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some((uid, gid)) = identity.ids() {
        // The group goes with it, and so do the agent's further groups.
        command.uid(uid).gid(gid);
    }
    command.spawn().map_err(|error| error.to_string())
}

/// Writes the document. A program need not read it.
async fn give(input: Option<ChildStdin>, document: &str) {
    if let Some(mut input) = input {
        let _ = input.write_all(document.as_bytes()).await;
        let _ = input.write_all(b"\n").await;
    }
}

/// Reads until the end, and keeps the last bytes.
async fn keep_tail(errors: Option<ChildStderr>, tail: &mut Vec<u8>) {
    let Some(mut errors) = errors else { return };
    let mut buffer = [0; STDERR_KEPT];
    while let Ok(length @ 1..) = errors.read(&mut buffer).await {
        tail.extend_from_slice(&buffer[..length]);
        let over = tail.len().saturating_sub(STDERR_KEPT);
        tail.drain(..over);
    }
}
