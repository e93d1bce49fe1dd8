//! Takes pictures of the status page for the documentation.

use std::{env, fs, process::ExitCode};

use anyhow::{Context, bail};

use crate::{build::build_debug, cargo::workspace_root, privilege::Privilege, setup, steps::Steps};

/// The folder of the pictures, in the workspace.
const PICTURES: &str = "docs/images";

/// Serves prepared incidents in a network namespace and has Chromium draw the pages.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let steps = Steps::begin("page-screenshots")?;
    setup::prepare(&steps, setup::Purpose::Tests)?;
    let program = build_debug(&steps, "sensor-tests", "status-page")?;
    let Some(mut command) = Privilege::detect().command("env") else {
        bail!(
            "the page is served in a network namespace, which needs root, and sudo cannot be used here; run as root"
        );
    };
    let folder = workspace_root().join(PICTURES);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // sudo may set its own PATH.
    command.arg(format!("PATH={}", env::var("PATH").unwrap_or_default())).arg(program).arg(&folder);
    steps.run("Draw the pages", |step| step.command(&mut command))?;
    println!("Wrote the pictures into {}", folder.display());
    Ok(ExitCode::SUCCESS)
}
