//! A supervised child: its output is collected line by line, it is killed on drop and ends with its owner.

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;

use crate::output::Output;
use crate::{Line, Stream, poll, spawn};

/// How long to wait for the ends of the output once the process itself has ended.
const DRAIN_WITHIN: Duration = Duration::from_secs(15);
/// Lines quoted in an error.
const QUOTED: usize = 20;

/// A running program.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

impl Process {
    /// Starts `command` with its output captured. Take the command from
    /// [`Namespace::command`](crate::Namespace::command), so that it dies when this process is killed.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(mut command: Command) -> Result<Self> {
        let name = format!("{command:?}");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: between fork and exec the closure makes system calls only; it neither allocates nor locks.
        unsafe { command.pre_exec(heed_signals) };
        let mut child = spawn(command).with_context(|| format!("start {name}"))?;
        let output = Arc::new(Output::default());
        let stdout = child.stdout.take().context("standard output is not captured")?;
        let stderr = child.stderr.take().context("standard error is not captured")?;
        // Threads, not one poll loop: they end by themselves when the last writer closes its end.
        let to_stdout = Arc::clone(&output);
        thread::spawn(move || to_stdout.collect(Stream::Stdout, stdout));
        let to_stderr = Arc::clone(&output);
        thread::spawn(move || to_stderr.collect(Stream::Stderr, stderr));
        Ok(Self { name, child, output })
    }

    /// The process id, as this process sees it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All lines so far, of both streams, in the order of arrival.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.output.lock().lines.clone()
    }

    /// The lines of standard output so far.
    #[must_use]
    pub fn stdout_lines(&self) -> Vec<String> {
        self.lines_of(Stream::Stdout)
    }

    /// The lines of standard error so far.
    #[must_use]
    pub fn stderr_lines(&self) -> Vec<String> {
        self.lines_of(Stream::Stderr)
    }

    fn lines_of(&self, stream: Stream) -> Vec<String> {
        let collected = self.output.lock();
        collected.lines.iter().filter(|line| line.stream == stream).map(|line| line.text.clone()).collect()
    }

    /// Waits for the first line, past or future and of either stream, that `wanted` accepts.
    ///
    /// # Errors
    /// When none came within the time, or the output ended; the error quotes the last lines.
    pub fn wait_for_line(&self, within: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        Ok(self.wait_for_timed_line(within, wanted)?.text)
    }

    /// The same, with the time at which the line was read.
    ///
    /// # Errors
    /// When none came within the time, or the output ended; the error quotes the last lines.
    pub fn wait_for_timed_line(&self, within: Duration, wanted: impl Fn(&str) -> bool) -> Result<Line> {
        let mut seen = 0;
        let found = self.output.wait(within, |collected| {
            let new = collected.lines.get(seen..).unwrap_or_default();
            seen = collected.lines.len();
            new.iter().find(|line| wanted(&line.text)).cloned()
        });
        found.ok_or_else(|| {
            anyhow!("{}: the awaited line did not come within {within:?}; {}", self.name, self.tail())
        })
    }

    /// Sends a signal; to a process that has ended already this is not an error.
    ///
    /// # Errors
    /// When the signal may not be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, signal).with_context(|| format!("send {signal} to {}", self.name))
    }

    /// Waits for the end of the process and of its output.
    ///
    /// # Errors
    /// When it still runs after that time; it is left running.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        match poll(within, || child.try_wait().transpose()) {
            Some(status) => {
                self.drain();
                status.with_context(|| format!("wait for {}", self.name))
            }
            None => bail!("{} did not end within {within:?}; {}", self.name, self.tail()),
        }
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn drain(&self) {
        self.output.wait(DRAIN_WITHIN, |_| None::<()>);
    }

    fn tail(&self) -> String {
        let collected = self.output.lock();
        let mut last: VecDeque<&str> =
            collected.lines.iter().rev().take(QUOTED).map(|line| line.text.as_str()).collect();
        last.make_contiguous().reverse();
        if last.is_empty() {
            return "it wrote nothing".to_owned();
        }
        format!("it wrote last:\n  {}", Vec::from(last).join("\n  "))
    }
}

/// A shell starts background jobs with SIGINT ignored, and a child inherits that: then [`Process::signal`] would have
/// no effect. Runs in the child between fork and exec.
fn heed_signals() -> io::Result<()> {
    for ended_by in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        // SAFETY: the default action has no handler, so no code of this process runs at a wrong moment.
        unsafe { signal(ended_by, SigHandler::SigDfl) }?;
    }
    Ok(())
}

impl Drop for Process {
    fn drop(&mut self) {
        // A failure cannot be handled here; the parent-death signal is the fallback.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Descendants hold the output open: when it closes, they are gone as well.
        self.drain();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        Process::spawn(command).expect("start sh")
    }

    #[test]
    fn collects_both_streams_to_the_end() {
        // The last line comes from a descendant, after the process itself has ended.
        let mut process = shell("echo out; echo err >&2; (sleep 0.1; printf last) & exit 3");
        assert_eq!(process.wait(SOON).expect("ends").code(), Some(3));
        assert_eq!(process.stdout_lines(), ["out", "last"]);
        assert_eq!(process.stderr_lines(), ["err"]);
        assert_eq!(process.lines().len(), 3);
    }

    #[test]
    fn finds_past_and_future_lines_and_quotes_output_otherwise() {
        let process = shell("echo one; read -r _; echo two; exec sleep 60");
        for wanted in ["two", "one"] {
            assert_eq!(process.wait_for_line(SOON, |line| line == wanted).expect("comes"), wanted);
        }
        let error =
            process.wait_for_line(Duration::from_millis(10), |line| line == "three").expect_err("never");
        assert!(error.to_string().ends_with("it wrote last:\n  one\n  two"), "{error}");
    }

    #[test]
    fn waiting_for_a_line_ends_with_the_output() {
        let started = Instant::now();
        shell("true").wait_for_line(SOON, |_| true).expect_err("wrote nothing");
        assert!(started.elapsed() < SOON);
    }

    #[test]
    fn signal_reaches_the_process_and_a_drop_kills_it() {
        let mut process = shell("trap 'echo caught; exit 0' INT; echo ready; while :; do sleep 0.01; done");
        process.wait_for_line(SOON, |line| line == "ready").expect("ready");
        assert!(process.wait(Duration::ZERO).is_err() && process.is_running());
        process.signal(Signal::SIGINT).expect("send");
        assert!(process.wait(SOON).expect("ends").success());
        assert_eq!(process.stdout_lines(), ["ready", "caught"]);
        process.signal(Signal::SIGINT).expect("an ended process is no error");

        let process = shell("exec sleep 60");
        let pid = Pid::from_raw(i32::try_from(process.id()).expect("pid"));
        drop(process);
        assert_eq!(kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }
}
