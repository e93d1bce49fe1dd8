//! The real agent, measured from outside.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use sensor_lab::{Namespace, Scratch, scratch_dir, spawn};

/// Time to become ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running agent. Killed on drop.
pub(crate) struct Agent {
    child: Child,
    documents: Receiver<(Instant, String)>,
    _state: Scratch,
}

/// Resources that a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Processor time of all threads, seconds.
    pub seconds: f64,
    /// Voluntary context switches, of all threads.
    pub sleeps: u64,
}

impl Agent {
    /// Starts `program` on an interface and waits until it is ready.
    pub(crate) fn start(program: &Path, namespace: &Namespace, interface: &str) -> Result<Self> {
        let state = scratch_dir()?;
        let config = state.path().join("bench.toml");
        // Every alert is waited for.
        fs::write(&config, "[detection]\nincidents_per_window = 1000000\n")
            .context("write a configuration")?;
        let mut command = namespace.command(program);
        command
            .args(["run", "--attribution", "off", "--learning-hours", "0", "--iface", interface, "--config"])
            .arg(config)
            .arg("--state-dir")
            .arg(state.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(command).with_context(|| format!("start {}", program.display()))?;
        let stdout = child.stdout.take().context("standard output is not captured")?;
        let stderr = child.stderr.take().context("standard error is not captured")?;
        let (tell_document, documents) = channel();
        // Both threads end with the agent's output.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tell_document.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        let (tell_log, log) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Read on after readiness too, or the agent would block on a full pipe.
                let _ = tell_log.send(line);
            }
        });
        let mut agent = Self { child, documents, _state: state };
        let start = Instant::now();
        let mut seen = String::new();
        while let Ok(line) = log.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            if line.contains("ready:") {
                return Ok(agent);
            }
            seen += &line;
            seen.push('\n');
        }
        let _ = agent.child.kill();
        bail!("{} did not become ready:\n{seen}", program.display());
    }

    /// The next line on standard output with its time of arrival; `None` if none came in time.
    pub(crate) fn next_document(&self, within: Duration) -> Option<(Instant, String)> {
        self.documents.recv_timeout(within).ok()
    }

    /// The resources used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let folder = format!("/proc/{}", self.child.id());
        let read = |path: String| fs::read_to_string(&path).with_context(|| format!("read {path}"));
        let (mut nanos, mut sleeps) = (0, 0);
        let threads = format!("{folder}/task");
        for thread in fs::read_dir(&threads).with_context(|| format!("list {threads}"))? {
            let thread = thread?.path();
            // Nanoseconds on a processor come first (CONFIG_SCHED_INFO); the times in `stat` are in steps of 10 ms.
            let scheduled = read(format!("{}/schedstat", thread.display()))?;
            let running = scheduled.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok());
            nanos += running.context("find the processor time in a thread's schedstat")?;
            let status = read(format!("{}/status", thread.display()))?;
            let count = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
                .and_then(|count| count.trim().parse::<u64>().ok());
            sleeps += count.context("find voluntary_ctxt_switches in a thread's status")?;
        }
        Ok(Usage { seconds: nanos as f64 / 1e9, sleeps })
    }

    /// Resident memory in megabytes: all, and without the kernel's maps, which it only looks into.
    pub(crate) fn resident(&self) -> Result<(f64, f64)> {
        let path = format!("/proc/{}/smaps", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let (mut all, mut own, mut of_kernel) = (0.0, 0.0, false);
        for line in text.lines() {
            // `7f…-7f… r--s 00000000 00:0e 1060 anon_inode:bpf-map`, then lines of `Name: value`.
            if let Some(rest) = line.strip_prefix("Rss:") {
                let kilobytes: f64 = rest.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
                all += kilobytes;
                own += if of_kernel { 0.0 } else { kilobytes };
            } else if line.split_whitespace().next().is_some_and(|word| !word.ends_with(':')) {
                of_kernel = line.contains("bpf");
            }
        }
        Ok((all * 1024.0 / 1e6, own * 1024.0 / 1e6))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // A failure cannot be handled here; the parent-death signal is the fallback.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
