//! The table of replay results of captures, in both engines.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use sensor_user::{config::Config, replay::EngineChoice};
use serde_json::Value;

use crate::{Replayed, captures_below, document::rules_of, replayed, text};

/// The kernel's column for a capture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Engines {
    Equal,
    Differ,
    HostAlone,
}

impl Engines {
    const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Differ => "**differ**",
            Self::HostAlone => "host alone",
        }
    }
}

/// A row for each capture, with totals.
#[derive(Default)]
pub struct ReplayTable {
    lines: Vec<String>,
    frames: u64,
    incidents: u64,
    differ: usize,
}

impl ReplayTable {
    /// Replays every capture below the folders; only on the host without the right to load the kernel's program.
    ///
    /// # Errors
    /// When there is no capture, or an engine fails.
    pub fn of(folders: &[PathBuf], with_kernel: bool) -> Result<Self> {
        let config = Config::default();
        let mut table = Self::default();
        for folder in folders {
            for path in captures_below(folder)? {
                let host = replayed(&path, EngineChoice::Host, &config)?;
                let engines = if with_kernel {
                    let kernel = replayed(&path, EngineChoice::Kernel, &config)?;
                    if same(&host, &kernel) { Engines::Equal } else { Engines::Differ }
                } else {
                    Engines::HostAlone
                };
                table.frames += host.played.read.frames;
                table.incidents += host.played.statistics.core.incidents_opened.iter().sum::<u64>();
                table.differ += usize::from(engines == Engines::Differ);
                table.lines.push(line(&path, folder, &host, engines));
            }
        }
        if table.lines.is_empty() {
            bail!("no capture (*.pcap, *.pcapng, *.cap, also .gz and .zst) is under the given folders");
        }
        Ok(table)
    }

    /// Whether the engines agreed on every capture.
    #[must_use]
    pub const fn engines_agree(&self) -> bool {
        self.differ == 0
    }
}

impl fmt::Display for ReplayTable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| capture | packets | flows | evidence reached | findings | engines |")?;
        writeln!(out, "|---|---:|---:|---|---|---|")?;
        for line in &self.lines {
            writeln!(out, "{line}")?;
        }
        let Self { lines, frames, incidents, differ } = self;
        writeln!(
            out,
            "\n{} captures, {frames} packets, {incidents} incidents, {differ} on which the engines differ.",
            lines.len()
        )
    }
}

fn same(host: &Replayed, kernel: &Replayed) -> bool {
    host.documents == kernel.documents
        && host.damage == kernel.damage
        && host.played.statistics.to_string() == kernel.played.statistics.to_string()
}

fn line(path: &Path, folder: &Path, replayed: &Replayed, engines: Engines) -> String {
    let name = path.strip_prefix(folder).ok().filter(|name| !name.as_os_str().is_empty()).unwrap_or(path);
    let damage = if replayed.damage.is_some() { " (damaged)" } else { "" };
    format!(
        "| {}{damage} | {} | {} | {} | {} | {} |",
        name.display().to_string().replace('|', "\\|"),
        replayed.played.read.frames,
        replayed.played.flows,
        evidence(&replayed.documents),
        findings(&replayed.documents),
        engines.name()
    )
}

/// The levels of flows at their end, whether or not they were in an incident.
fn evidence(documents: &[Value]) -> String {
    let ended =
        documents.iter().filter(|document| document.pointer("/flow/final") == Some(&Value::Bool(true)));
    let flows = ended.filter(|document| text(document, "/event/dataset") == "network_traffic.flow");
    distinct(flows.map(|flow| match text(flow, "/smb_sensor/evidence/level") {
        "" => "client unknown".to_owned(),
        level => level.to_owned(),
    }))
}

/// The rules with findings, each with the number of its incidents if there are several.
fn findings(documents: &[Value]) -> String {
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    for rule in rules_of(documents) {
        *rules.entry(rule).or_default() += 1;
    }
    distinct(rules.into_iter().map(|(rule, count)| match count {
        1 => rule,
        _ => format!("{rule} ×{count}"),
    }))
}

/// Each once, in the order of their first appearance; a dash for nothing.
fn distinct(texts: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    if all.is_empty() { "–".to_owned() } else { all.join(", ") }
}
