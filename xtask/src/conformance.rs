//! Holds the conversation reader against tshark: finds or installs tshark, builds the comparison and runs it.

use std::{
    path::{self, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Context;

use crate::{cargo::cargo, setup};

/// What `conformance` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folders of captures, or captures, beside those of the workspace
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Captures of the workspace.
const CAPTURES: &str = "tests/captures";

/// Compares every capture; fails on a difference without a reason.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("missing, to hold the conversation reader against: tshark");
        setup::install_optional(&["tshark"])?;
    }
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "sensor-conformance", "--", CAPTURES]);
    for path in &arguments.paths {
        // cargo runs in the root of the workspace, whatever the user's folder is.
        command.arg(path::absolute(path).with_context(|| format!("finding {}", path.display()))?);
    }
    let status = command.status().context("running cargo run")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
