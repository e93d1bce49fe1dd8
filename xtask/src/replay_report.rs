//! Replays captures in both engines and writes the table of the results.

use std::{
    fs,
    path::{self, PathBuf},
    process::{ExitCode, Stdio},
};

use anyhow::Context;

use crate::{build::build_debug, cargo::workspace_root, privilege::Privilege, steps::Steps};

/// Arguments of `replay-report`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Captures, or folders of captures, in addition to those of the workspace; their table is printed and not kept
    #[arg(value_name = "FOLDER")]
    folders: Vec<PathBuf>,
}

/// Captures of the workspace.
const CAPTURES: &str = "tests/captures";

/// File of the table, in the workspace.
const KEPT: &str = "docs/replay-results.md";

/// Text above the table.
const HEAD: &str = "\
# Results of replaying the recorded captures

This table lists what `smb-sensor replay` reports for each capture in [`tests/captures`](../tests/captures), in both engines: the
kernel program through `BPF_PROG_TEST_RUN`, and the same code on the host. *Equal* means the same documents and the same counts.
`cargo xtask replay-report` writes this file. `cargo xtask replay-report FOLDER…` prints the same table for your own captures, and
`SMB_SENSOR_CAPTURES=FOLDER cargo xtask test` compares the engines on them too.

";

/// Replays and prints the table; fails if the engines differ.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let program = build_debug(&Steps::begin("replay-report")?, "sensor-tests", "replay-report")?;
    // Without root only the host engine runs, and the table is not kept.
    let privilege = Privilege::detect();
    let as_root = privilege.command(&program);
    let keeps = arguments.folders.is_empty() && as_root.is_some();
    let mut command = as_root.unwrap_or_else(|| std::process::Command::new(&program));
    command.current_dir(workspace_root()).arg(CAPTURES);
    for folder in &arguments.folders {
        // The program runs in the root of the workspace, so the user's relative paths are made absolute.
        command.arg(path::absolute(folder).with_context(|| format!("finding {}", folder.display()))?);
    }
    let output = command.stderr(Stdio::inherit()).output().context("starting the report")?;
    let table = String::from_utf8(output.stdout).context("reading the report")?;
    print!("{table}");
    if !output.status.success() {
        return Ok(ExitCode::FAILURE);
    }
    if keeps {
        let kept = workspace_root().join(KEPT);
        fs::write(&kept, format!("{HEAD}{table}")).with_context(|| format!("writing {}", kept.display()))?;
        println!("Wrote {}", kept.display());
    }
    Ok(ExitCode::SUCCESS)
}
