//! impacket and smbprotocol, further peers of the tests, from PyPI into a virtual environment below `target`.
//!
//! The tests that want them are skipped where they are not there, so that none of this stops a setup.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use sensor_lab::python;

use super::{install_optional, run_announced};

/// What the peers are for, in one line.
pub(super) const PURPOSE: &str = "further SMB peers of the tests; those that want them are skipped without";

/// Installs them, or says in one paragraph why not and what to do.
pub(super) fn install() {
    if let Err(error) = make_environment() {
        println!(
            "impacket and smbprotocol ({PURPOSE}) could not be installed: {error:#}\n\
             to have them: mend that (they come from https://pypi.org), then run again: cargo xtask setup"
        );
    }
}

fn make_environment() -> anyhow::Result<()> {
    if !has_venv() {
        install_optional(&["python3-venv"]).context("python3 has no venv and ensurepip here")?;
    }
    let folder = python::folder();
    // What another list of versions left behind, or an installation that was interrupted.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    run_quietly(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run_announced(&mut pip(&folder), "impacket and smbprotocol, from PyPI, into a folder of their own")?;
    python::note_made().with_context(|| format!("noting in {} what is installed", folder.display()))
}

/// pip, which gives up soon where there is no way to PyPI.
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

fn run_quietly(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        let words = [output.stdout, output.stderr].concat();
        bail!("{command:?}: {}", String::from_utf8_lossy(&words).trim_end());
    }
    Ok(())
}
