//! Measures the sensor: builds it and the benchmark for release, installs missing peers where it may, and runs the benchmark as
//! root.

mod compare;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::{build::build_release, cargo::workspace_root, privilege::Privilege, setup, steps::Steps};

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Take fewer and shorter measurements; their figures are not kept
    #[arg(long)]
    quick: bool,
    /// A Suricata binary to compare with; none is installed for you
    #[arg(long, value_name = "FILE")]
    suricata: Option<PathBuf>,
    /// Measure only groups whose name contains this text (xdp, quic, tc, lookup, live, ring, core, latency, commit,
    /// outputs, page, idle, replay); their figures are not kept
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Measure this revision of the repository and the workspace in turns, and print both; the figures are not kept
    #[arg(long, value_name = "REV")]
    compare: Option<String>,
}

/// Programs to compare with, or that the measurements need, and their Debian packages.
const PEERS: [(&str, &str); 5] = [
    ("ethtool", "ethtool"),
    ("nft", "nftables"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("xdp-filter", "xdp-tools"),
];

/// Folder of the figures, in the workspace.
const KEPT: &str = "docs/bench";

/// Builds, measures and keeps the figures. A missed target is no failure; a measurement that fails is one.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let steps = Steps::begin("bench")?;
    if let Some(revision) = &arguments.compare {
        provide_peers(&steps);
        return compare::run(&steps, arguments, revision);
    }
    let agent = build_release(&steps, "sensor-user", "smb-sensor")?;
    let program = build_release(&steps, "sensor-bench", "sensor-bench")?;
    provide_peers(&steps);

    // The benchmark runs as root and the workspace's files belong to the user, so this process copies them.
    let output = tempfile::tempdir().context("making a folder for the figures")?;
    let mut command = benchmark(&program, &agent, arguments, output.path())?;
    let status = command.status().context("starting the benchmark")?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    if arguments.quick || !arguments.only.is_empty() {
        println!("Quick or partial run: the figures in {KEPT} are unchanged");
    } else {
        keep(output.path())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The command that measures an agent, as root.
fn benchmark(program: &Path, agent: &Path, arguments: &Arguments, output: &Path) -> anyhow::Result<Command> {
    let Some(mut command) = Privilege::detect().command("env") else {
        bail!(
            "the benchmark loads kernel programs and makes network namespaces, which needs root, and sudo cannot be used \
             here; run as root: cargo xtask bench"
        );
    };
    command
        .arg(format!("PATH={}", search_path()))
        .arg(program)
        .arg("--agent")
        .arg(agent)
        .arg("--output")
        .arg(output);
    if arguments.quick {
        command.arg("--quick");
    }
    if let Some(suricata) = &arguments.suricata {
        command.arg("--suricata").arg(suricata);
    }
    for only in &arguments.only {
        command.arg("--only").arg(only);
    }
    Ok(command)
}

/// Copies the figures into the workspace.
fn keep(from: &Path) -> anyhow::Result<()> {
    let folder = workspace_root().join(KEPT).join(class(&from.join("results.json"))?);
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for entry in fs::read_dir(from).context("listing the figures")? {
        let entry = entry.context("listing the figures")?;
        let to = folder.join(entry.file_name());
        // Not fs::copy, which would also copy the mode that root's umask gave.
        let bytes = fs::read(entry.path()).with_context(|| format!("reading {}", entry.path().display()))?;
        fs::write(&to, bytes).with_context(|| format!("writing {}", to.display()))?;
        println!("Wrote {}", to.display());
    }
    Ok(())
}

/// The class of the machine that the figures are of: a folder has the figures of each.
fn class(results: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(results).with_context(|| format!("reading {}", results.display()))?;
    let results: Value = serde_json::from_str(&text).context("reading the figures")?;
    Ok(results["machine"]["class"].as_str().context("the figures name no class of machine")?.to_owned())
}

/// Installs missing peers where possible; the benchmark reports what it could not measure.
fn provide_peers(steps: &Steps) {
    let missing: Vec<(&str, &str)> = PEERS.into_iter().filter(|(program, _)| !is_there(program)).collect();
    if missing.is_empty() {
        return;
    }
    let (programs, packages): (Vec<&str>, Vec<&str>) = missing.into_iter().unzip();
    if let Err(error) = setup::install_optional(steps, &packages) {
        println!("Continuing without {}: {error:#}", programs.join(", "));
    }
}

fn is_there(program: &str) -> bool {
    env::split_paths(&search_path()).any(|folder| folder.join(program).is_file())
}

/// The user's PATH and, after it, the folders of administrators' programs.
fn search_path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default())
}
