//! Suricata, given by path, reading the receiver with AF_PACKET and no rules.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use sensor_lab::{Process, Scratch, Signal, scratch_dir};
use serde_json::Value;

use crate::stand::{RECEIVER, Stand};

/// Time to become ready, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// The smallest configuration with inspection: SMB and its transports, flow tracking, and its own counters. Without GRO a veth
/// delivers nothing to it, so it must leave offloads alone.
const CONFIG: &str = "%YAML 1.1
---
vars: { address-groups: { HOME_NET: \"[10.0.0.0/8]\", EXTERNAL_NET: \"!$HOME_NET\" } }
stats: { enabled: yes, interval: 1 }
outputs:
  - eve-log: { enabled: yes, filetype: regular, filename: eve.json, types: [ { stats: { totals: yes } }, flow ] }
af-packet:
  - { interface: rx0, cluster-id: 99, cluster-type: cluster_flow, defrag: yes, use-mmap: yes, tpacket-v3: yes }
capture: { disable-offloading: false }
app-layer: { protocols: { smb: { enabled: yes, detection-ports: { dp: \"139, 445\" } }, dcerpc: { enabled: yes } } }
";

/// A running Suricata.
pub(crate) struct Suricata {
    process: Process,
    folder: Scratch,
}

impl Suricata {
    /// Starts `program` on the receiver of a stand and on one processor.
    pub(crate) fn start(stand: &Stand, program: &Path, cpu: usize) -> Result<Self> {
        let folder = scratch_dir()?;
        let config = folder.path().join("suricata.yaml");
        fs::write(&config, CONFIG).with_context(|| format!("write {}", config.display()))?;
        let mut command = stand.receiver.command("taskset");
        command
            .args(["-c", &cpu.to_string()])
            .arg(program)
            .arg("-c")
            .arg(&config)
            .args([&format!("--af-packet={RECEIVER}"), "-k", "none", "-S", "/dev/null", "-l"])
            .arg(folder.path());
        let process = Process::spawn(command).with_context(|| format!("start {}", program.display()))?;
        process.wait_for_line(PATIENCE, |line| {
            line.contains("ngine started") || line.contains("threads initialized")
        })?;
        Ok(Self { process, folder })
    }

    /// Ends it; returns the number of decoded packets.
    pub(crate) fn end(mut self) -> Result<u64> {
        self.process.signal(Signal::SIGINT)?;
        self.process.wait(PATIENCE)?;
        let log = self.folder.path().join("eve.json");
        let text = fs::read_to_string(&log).with_context(|| format!("read {}", log.display()))?;
        let events = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events
            .filter_map(|event| event.pointer("/stats/decoder/pkts")?.as_u64())
            .next()
            .context("Suricata did not tell how many packets it decoded")
    }
}
