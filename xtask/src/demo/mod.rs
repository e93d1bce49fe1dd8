//! Shows the sensor at work: real SMB sessions between throw-away network namespaces, and the alerts they raise.
//!
//! Sets up, builds, and then plays the story as root. What was seen is held against what was expected; a difference is a
//! failure.

mod story;
mod verdict;

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};

use crate::{cargo::build_release, privilege::Privilege, setup};

/// What `demo` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The agent to show, already built; the rest of the demonstration runs as root
    #[arg(long, hide = true, value_name = "FILE")]
    agent: Option<PathBuf>,
}

/// Runs the demonstration.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(agent) = &arguments.agent {
        let documents = story::play(agent)?;
        return Ok(verdict::show(&documents));
    }
    let ready = setup::run(&setup::Arguments::for_demo())?;
    if ready != ExitCode::SUCCESS {
        return Ok(ready);
    }
    let agent = build_release("sensor-user", "smb-sensor")?;
    let this = env::current_exe().context("cannot tell where this program is")?;
    let Some(mut command) = Privilege::detect().command(this) else {
        bail!(
            "the demo makes network namespaces, which needs root, and there is no sudo that may be used here; run as root: cargo xtask demo"
        );
    };
    let status = command
        .arg("demo")
        .arg("--agent")
        .arg(&agent)
        .status()
        .context("starting the demonstration as root")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
