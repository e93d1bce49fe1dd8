//! A supervised child: its output is collected line by line, it is killed on drop and dies with its owner.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{poll, spawn};

/// How long to wait for the ends of the output once the process itself has ended.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);
/// Lines quoted in an error.
const QUOTED: usize = 20;

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of output, without its line ending; bytes that are not UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it was written.
    pub stream: Stream,
    /// What was written.
    pub text: String,
}

#[derive(Default)]
struct Collected {
    lines: Vec<Line>,
    closed: usize,
}

#[derive(Default)]
struct Output {
    collected: Mutex<Collected>,
    changed: Condvar,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self, stream: Stream, source: impl Read) {
        let mut source = BufReader::new(source);
        let mut bytes = Vec::new();
        while matches!(source.read_until(b'\n', &mut bytes), Ok(1..)) {
            let text = String::from_utf8_lossy(&bytes)
                .trim_end_matches(['\r', '\n'])
                .to_owned();
            bytes.clear();
            self.lock().lines.push(Line { stream, text });
            self.changed.notify_all();
        }
        self.lock().closed += 1;
        self.changed.notify_all();
    }

    /// Looks at the collection after every change until `look` gives a value, both streams are closed or time is up.
    fn wait<T>(&self, within: Duration, mut look: impl FnMut(&Collected) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut collected = self.lock();
        loop {
            if let Some(value) = look(&collected) {
                return Some(value);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || collected.closed == 2 {
                return None;
            }
            (collected, _) = self
                .changed
                .wait_timeout(collected, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

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
        collected
            .lines
            .iter()
            .filter(|line| line.stream == stream)
            .map(|line| line.text.clone())
            .collect()
    }

    /// Waits for the first line, past or future and of either stream, that `wanted` accepts.
    ///
    /// # Errors
    /// When none came within the time, or the output ended; the error quotes the last lines.
    pub fn wait_for_line(&self, within: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let mut seen = 0;
        let found = self.output.wait(within, |collected| {
            let new = collected.lines.get(seen..).unwrap_or_default();
            seen = collected.lines.len();
            new.iter()
                .find(|line| wanted(&line.text))
                .map(|line| line.text.clone())
        });
        found.ok_or_else(|| {
            anyhow!(
                "{}: the awaited line did not come within {within:?}; {}",
                self.name,
                self.tail()
            )
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
        let mut last: VecDeque<&str> = collected
            .lines
            .iter()
            .rev()
            .take(QUOTED)
            .map(|line| line.text.as_str())
            .collect();
        last.make_contiguous().reverse();
        if last.is_empty() {
            return "it wrote nothing".to_owned();
        }
        format!("it wrote last:\n  {}", Vec::from(last).join("\n  "))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the parent-death signal stands behind it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Descendants hold the output open: when it closes, they are gone as well.
        self.drain();
    }
}
