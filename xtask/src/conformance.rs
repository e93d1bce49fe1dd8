//! Compares the dissector with tshark: finds or installs tshark, builds the comparison and runs it.

use std::{
    path::{self, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Context;

use crate::{cargo::cargo, setup, steps::Steps};

/// Arguments of `conformance`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Captures, or folders of captures, in addition to those of the workspace
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Captures of the workspace.
const CAPTURES: &str = "tests/captures";

/// Compares every capture; fails on a difference that has no recorded reason.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if Command::new("tshark").arg("--version").output().is_err() {
        setup::install_optional(&Steps::begin("conformance")?, &["tshark"])?;
    }
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "sensor-conformance", "--", CAPTURES]);
    for path in &arguments.paths {
        // cargo runs in the root of the workspace, so the user's relative paths are made absolute.
        command.arg(path::absolute(path).with_context(|| format!("finding {}", path.display()))?);
    }
    let status = command.status().context("running cargo run")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
