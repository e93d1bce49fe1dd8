//! Replays captures in both engines and writes down what came of each: `cargo xtask replay-report`.
#![expect(clippy::print_stdout, reason = "a report is for the person who runs it")]

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use sensor_tests::{Replayed, captures_below, privileged, replayed, text};
use sensor_user::{config::Config, replay::EngineChoice};
use serde_json::Value;

/// What the kernel's column says of a capture.
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

fn main() -> ExitCode {
    let folders: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    match report(&folders) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table; says whether the engines were equal on every capture.
fn report(folders: &[PathBuf]) -> Result<bool> {
    let with_kernel = privileged("replay-report");
    let config = Config::default();
    let mut lines = Vec::new();
    let (mut frames, mut alerts, mut differ) = (0, 0, 0);
    for folder in folders {
        for path in captures_below(folder)? {
            let host = replayed(&path, EngineChoice::Host, &config)?;
            let engines = if with_kernel {
                let kernel = replayed(&path, EngineChoice::Kernel, &config)?;
                if same(&host, &kernel) { Engines::Equal } else { Engines::Differ }
            } else {
                Engines::HostAlone
            };
            frames += host.played.read.frames;
            alerts += host.played.statistics.alerts;
            differ += usize::from(engines == Engines::Differ);
            lines.push(line(&path, folder, &host, engines));
        }
    }
    if lines.is_empty() {
        bail!("no capture (*.pcap, *.pcapng, *.cap, also .gz and .zst) is under the given folders");
    }
    println!("| capture | packets | flows | evidence reached | alerts | engines |");
    println!("|---|---:|---:|---|---|---|");
    for line in &lines {
        println!("{line}");
    }
    println!(
        "\n{} captures, {frames} packets, {alerts} alerts, {differ} on which the engines differ.",
        lines.len()
    );
    Ok(differ == 0)
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
        alerts(&replayed.documents),
        engines.name()
    )
}

/// The levels that conversations had reached when they ended.
fn evidence(documents: &[Value]) -> String {
    let levels = closed(documents).map(|document| text(document, "/smb_sensor/evidence/level").to_owned());
    distinct(levels)
}

/// The rules that alerted, each with how often where that was more than once.
fn alerts(documents: &[Value]) -> String {
    let mut rules: Vec<(String, usize)> = Vec::new();
    for document in closed(documents) {
        let rule = text(document, "/rule/id");
        match rules.iter_mut().find(|(known, _)| known == rule) {
            Some((_, count)) => *count += 1,
            None => rules.push((rule.to_owned(), 1)),
        }
    }
    rules.sort();
    distinct(rules.into_iter().map(|(rule, count)| match count {
        1 => rule,
        _ => format!("{rule} ×{count}"),
    }))
}

fn closed(documents: &[Value]) -> impl Iterator<Item = &Value> {
    documents.iter().filter(|document| text(document, "/smb_sensor/alert/status") == "closed")
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
