//! Measures the sensor: builds it and the benchmark for release, finds or installs the peers, and runs the benchmark as root.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};

use crate::{
    cargo::{build_release, workspace_root},
    privilege::Privilege,
    setup,
};

/// What `bench` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fewer and shorter measurements, for a look: its figures are not kept
    #[arg(long)]
    quick: bool,
    /// A Suricata to hold the sensor against; no package of it is installed
    #[arg(long, value_name = "FILE")]
    suricata: Option<PathBuf>,
    /// Only the groups whose name contains this (xdp, tc, lookup, live, ring, latency, idle, replay); their figures are not kept
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
}

/// Programs that the sensor is held against or that the measuring needs, and their Debian packages.
const PEERS: [(&str, &str); 5] = [
    ("ethtool", "ethtool"),
    ("nft", "nftables"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("xdp-filter", "xdp-tools"),
];

/// Where the figures are kept, in the workspace.
const KEPT: &str = "docs/bench";

/// Builds, measures and keeps the figures. A target that is missed is no failure, a measurement that fails is.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let agent = build_release("sensor-user", "smb-sensor")?;
    let benchmark = build_release("sensor-bench", "sensor-bench")?;
    provide_peers();

    // Through sudo the benchmark is root, and the workspace's files are to stay the user's: they are copied.
    let output = tempfile::tempdir().context("making a folder for the figures")?;
    let Some(mut command) = Privilege::detect().command("env") else {
        bail!(
            "the benchmark loads kernel programs and makes network namespaces, which needs root, and there is no sudo that may \
             be used here; run as root: cargo xtask bench"
        );
    };
    command
        .arg(format!("PATH={}", search_path()))
        .arg(&benchmark)
        .arg("--agent")
        .arg(&agent)
        .arg("--output")
        .arg(output.path());
    if arguments.quick {
        command.arg("--quick");
    }
    if let Some(suricata) = &arguments.suricata {
        command.arg("--suricata").arg(suricata);
    }
    for only in &arguments.only {
        command.arg("--only").arg(only);
    }
    let status = command.status().context("starting the benchmark")?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    if arguments.quick || !arguments.only.is_empty() {
        println!("a part or a quick look: the figures in {KEPT} are left as they are");
    } else {
        keep(output.path())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies the figures into the workspace.
fn keep(from: &Path) -> anyhow::Result<()> {
    let folder = workspace_root().join(KEPT);
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for entry in fs::read_dir(from).context("listing the figures")? {
        let entry = entry.context("listing the figures")?;
        let to = folder.join(entry.file_name());
        // Not fs::copy, which would also copy the mode that root's umask gave.
        let bytes = fs::read(entry.path()).with_context(|| format!("reading {}", entry.path().display()))?;
        fs::write(&to, bytes).with_context(|| format!("writing {}", to.display()))?;
        println!("kept {}", to.display());
    }
    Ok(())
}

/// Installs the peers that are missing, where that can be done; the benchmark says what it could not measure.
fn provide_peers() {
    let missing: Vec<(&str, &str)> = PEERS.into_iter().filter(|(program, _)| !is_there(program)).collect();
    if missing.is_empty() {
        return;
    }
    let (programs, packages): (Vec<&str>, Vec<&str>) = missing.into_iter().unzip();
    println!("missing, to hold the sensor against: {}", programs.join(", "));
    if let Err(error) = setup::install_optional(&packages) {
        println!("going on without them: {error:#}");
    }
}

fn is_there(program: &str) -> bool {
    env::split_paths(&search_path()).any(|folder| folder.join(program).is_file())
}

/// The user's PATH and, after it, the folders of administrators' programs.
fn search_path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default())
}
