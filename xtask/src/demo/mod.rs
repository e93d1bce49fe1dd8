//! Shows the sensor at work: real SMB sessions between temporary network namespaces, and the incidents that they cause.
//!
//! Sets up, builds, and then plays the story as root. A result that differs from the expected one is a failure.

mod screen;
mod story;
mod svg;
mod verdict;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};

use crate::{build::build_release, cargo::workspace_root, privilege::Privilege, setup, steps::Steps};

/// Arguments of `demo`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The agent to show, already built: the part of the demo that runs as root
    #[arg(long, hide = true, value_name = "FILE", requires = "log")]
    agent: Option<PathBuf>,
    /// The log to continue
    #[arg(long, hide = true, value_name = "FILE")]
    log: Option<PathBuf>,
    /// A file for the text of the last screen
    #[arg(long, hide = true, value_name = "FILE")]
    screen: Option<PathBuf>,
}

/// The picture of the demo's last screen, in the workspace.
const PICTURE: &str = "docs/images/demo.svg";

/// Runs the demo.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match (&arguments.agent, &arguments.log) {
        (Some(agent), Some(log)) => as_root(agent, log, arguments.screen.as_deref()),
        _ => prepare_and_play("demo", None),
    }
}

/// Runs the demo and draws its last screen.
pub(crate) fn screenshot() -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("making a folder for the text of the screen")?;
    let text = folder.path().join("screen");
    let outcome = prepare_and_play("screenshot", Some(&text))?;
    if outcome == ExitCode::SUCCESS {
        let text = fs::read_to_string(&text).with_context(|| format!("reading {}", text.display()))?;
        let picture = workspace_root().join(PICTURE);
        fs::write(&picture, svg::draw(&text)).with_context(|| format!("writing {}", picture.display()))?;
        println!("Wrote {}", picture.display());
    }
    Ok(outcome)
}

/// Sets up and builds as the user, then starts this program again as root.
fn prepare_and_play(task: &str, screen: Option<&Path>) -> anyhow::Result<ExitCode> {
    let steps = Steps::begin(task)?;
    setup::prepare(&steps, setup::Purpose::Demo)?;
    let agent = build_release(&steps, "sensor-user", "smb-sensor")?;
    let this = env::current_exe().context("finding the path of this program")?;
    let Some(mut command) = Privilege::detect().command(this) else {
        bail!(
            "the demo makes network namespaces, which needs root, and sudo cannot be used here; run as root: cargo xtask {task}"
        );
    };
    command.arg("demo").arg("--agent").arg(&agent).arg("--log").arg(steps.log_path());
    if let Some(screen) = screen {
        command.arg("--screen").arg(screen);
    }
    let status = command.status().context("starting the demo as root")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The part of the demo that needs root.
fn as_root(agent: &Path, log: &Path, screen: Option<&Path>) -> anyhow::Result<ExitCode> {
    let steps = Steps::resume(log)?;
    let outcome = story::play(agent, &steps)?;
    println!("\n{}", outcome.screen);
    if let Some(file) = screen {
        fs::write(file, &outcome.screen).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(verdict::show(&outcome.documents))
}
