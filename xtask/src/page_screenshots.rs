//! Takes pictures of the status page, of a report, and of `smb-sensor top`, for the documentation.

use std::{env, fs, process::ExitCode};

use anyhow::{Context, bail};

use crate::{build::build_debug, cargo::workspace_root, privilege::Privilege, setup, steps::Steps};

/// The folder of the pictures, in the workspace.
const PICTURES: &str = "docs/images";

/// Serves prepared incidents in a network namespace and has Chromium draw the pages.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let steps = Steps::begin("page-screenshots")?;
    setup::prepare(&steps, setup::Purpose::Tests)?;
    let page = build_debug(&steps, "sensor-tests", "status-page")?;
    let agent = build_debug(&steps, "sensor-user", "smb-sensor")?;
    let report = build_debug(&steps, "sensor-tests", "report-picture")?;
    let top = build_debug(&steps, "sensor-tests", "top-picture")?;
    let folder = workspace_root().join(PICTURES);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, program) in [("Draw the pages", page), ("Draw the report", report), ("Draw the terminal", top)]
    {
        let Some(mut command) = Privilege::detect().command("env") else {
            bail!(
                "the sensor runs in a network namespace, which needs root, and sudo cannot be used here; run as root"
            );
        };
        // sudo may set its own PATH.
        command.arg(format!("PATH={}", env::var("PATH").unwrap_or_default()));
        command.arg(format!("SMB_SENSOR_BIN={}", agent.display())).arg(program).arg(&folder);
        steps.run(name, |step| step.command(&mut command))?;
    }
    println!("Wrote the pictures into {}", folder.display());
    Ok(ExitCode::SUCCESS)
}
