//! Installs impacket and smbprotocol, two more SMB peers, and WsgiDAV from PyPI into a virtual environment below `target`.
//!
//! Tests that need them are skipped where they are missing, so no failure here stops a setup.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use sensor_lab::python;

use super::install_optional;
use crate::steps::{Step, Steps};

/// What the peers are for.
pub(super) const PURPOSE: &str =
    "more SMB peers for the tests; tests that need them are skipped without them";

/// Installs them, or prints why that failed and what to do.
pub(super) fn install(steps: &Steps) {
    if let Err(error) = make_environment(steps) {
        println!(
            "  continuing without impacket, smbprotocol and WsgiDAV ({PURPOSE}): {error:#}\n  \
             they come from https://pypi.org; once that works, run again: cargo xtask setup"
        );
    }
}

fn make_environment(steps: &Steps) -> anyhow::Result<()> {
    if !has_venv() {
        install_optional(steps, &["python3-venv"]).context("python3 has no venv and ensurepip")?;
    }
    steps.run("Install impacket, smbprotocol and WsgiDAV from PyPI", install_peers)
}

fn install_peers(step: &Step<'_>) -> anyhow::Result<()> {
    let folder = python::folder();
    // An interrupted installation, or one of another list of versions.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    step.command(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    step.command(&mut pip(&folder))?;
    python::note_made().with_context(|| format!("noting in {} what is installed", folder.display()))
}

/// pip with short time limits, for machines that cannot reach PyPI.
fn pip(folder: &Path) -> Command {
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args(["--retries", "1", "--timeout", "20", "--no-deps", "--requirement"])
        .arg(python::requirements());
    pip
}

fn has_venv() -> bool {
    let mut probe = Command::new("python3");
    probe.args(["-c", "import ensurepip, venv"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
