//! impacket's SMB server inside a namespace.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::script;
use crate::{Namespace, PASSWORD, Process, SHARE, Scratch, USER, scratch_dir};

const PROGRAM: &str = include_str!("../../python/impacket_server.py");
/// What stands in the output of a task.
pub const TASK_OUTPUT: &str = "the task was not run";
const READY_WITHIN: Duration = Duration::from_secs(40);

/// A running server of impacket for [`USER`] with the share [`SHARE`] and `hello.txt` in it. Dropping it ends it.
pub struct ImpacketServer {
    // Drop order matters.
    _process: Process,
    _scratch: Scratch,
}

impl ImpacketServer {
    /// Starts it in `namespace` on a port of all IPv4 addresses, and returns when it listens. It speaks SMB 2, or with `smb1`
    /// SMB 1 alone.
    ///
    /// # Errors
    /// When Python cannot be run, or the server does not come up within 40 s; the error quotes its words.
    pub fn start(namespace: &Namespace, port: u16, smb1: bool) -> Result<Self> {
        let options: &[&str] = if smb1 { &["--smb1"] } else { &[] };
        Self::serving(namespace, port, options)
    }

    /// Starts it in `namespace` on port 445 with a task scheduler, which accepts every task and job and runs none. Where
    /// [`Atexec`](crate::Atexec) looks for the output of a task, in ADMIN$, it finds [`TASK_OUTPUT`].
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn with_task_scheduler(namespace: &Namespace) -> Result<Self> {
        Self::serving(namespace, 445, &["--task-output", TASK_OUTPUT])
    }

    fn serving(namespace: &Namespace, port: u16, options: &[&str]) -> Result<Self> {
        let scratch = scratch_dir()?;
        let file = scratch.path().join("hello.txt");
        fs::write(&file, "Hello from the laboratory.\n")
            .with_context(|| format!("write {}", file.display()))?;
        let mut command = script(namespace, PROGRAM);
        command.args(["--port", &port.to_string(), "--user", USER, "--password", PASSWORD]);
        command.args(["--share", SHARE, "--folder"]).arg(scratch.path()).args(options);
        let process = Process::spawn(command)?;
        process.wait_for_line(READY_WITHIN, |line| line == "ready")?;
        Ok(Self { _process: process, _scratch: scratch })
    }
}
