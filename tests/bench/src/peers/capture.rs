//! tcpdump and tshark, capturing on the receiver.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use sensor_lab::{Process, Scratch, Signal, scratch_dir};

use crate::stand::{RECEIVER, Stand};

/// The watched ports, for the kernel's part of the capture.
const FILTER: &str = "tcp port 135 or tcp port 139 or tcp port 445 or udp port 137 or udp port 138";
/// Time for a program to become ready, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A kind of capturing program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `tcpdump -w` to /dev/null, which favours it.
    Tcpdump,
    /// tshark, which dissects and prints; its capture waits in a file meanwhile.
    Tshark,
}

/// A running capture.
pub(crate) struct Capture {
    process: Process,
    kind: Kind,
    /// Its output goes here.
    folder: Scratch,
}

/// What tshark prints, in the folder.
const PRINTED: &str = "printed";

impl Capture {
    /// Starts it on the receiver of a stand and on one processor.
    pub(crate) fn start(stand: &Stand, kind: Kind, cpu: usize) -> Result<Self> {
        let (script, package) = match kind {
            Kind::Tcpdump => ("exec taskset -c $1 tcpdump -i $2 -n -w /dev/null \"$3\"", "tcpdump"),
            Kind::Tshark => ("exec taskset -c $1 tshark -i $2 -n -l -f \"$3\" > \"$TMPDIR/$4\"", "tshark"),
        };
        let folder = scratch_dir()?;
        let mut command = stand.receiver.command("sh");
        command.args(["-c", script, "sh", &cpu.to_string(), RECEIVER, FILTER, PRINTED]);
        command.env("TMPDIR", folder.path());
        let process = Process::spawn(command)?;
        let started = process
            .wait_for_line(PATIENCE, |line| line.contains("listening on") || line.contains("Capturing on"));
        started.with_context(|| format!("start {package}, of the package of that name"))?;
        Ok(Self { process, kind, folder })
    }

    /// Ends it; returns the number of packets written or printed by now.
    pub(crate) fn end(mut self) -> Result<u64> {
        if self.kind == Kind::Tshark {
            // It would continue to print waiting packets for minutes.
            let path = self.folder.path().join(PRINTED);
            let printed = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            return Ok(printed.iter().filter(|byte| **byte == b'\n').count() as u64);
        }
        self.process.signal(Signal::SIGINT)?;
        self.process.wait(PATIENCE)?;
        // `12 packets captured`
        let log = self.process.stderr_lines();
        log.iter()
            .find_map(|line| line.split_once(" packets captured")?.0.trim().parse().ok())
            .with_context(|| format!("the capture did not tell how much it got: {log:?}"))
    }
}
