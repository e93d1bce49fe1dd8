//! Builds the release agent and replaces this process with it.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::build::build_release;
use crate::privilege::Privilege;
use crate::steps::Steps;

/// Arguments of `build-and-load`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Interface to watch; may be given several times
    #[arg(long = "iface", required = true, value_name = "IF")]
    interfaces: Vec<String>,
    /// Flags for the agent, as `smb-sensor run --help` lists them
    #[arg(last = true, value_name = "AGENT FLAGS")]
    agent_flags: Vec<String>,
}

/// Builds, loads, attaches and shows alerts until Ctrl-C.
///
/// This process becomes the agent, so that signals reach only the agent and its exit code is the exit code of the task.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let agent = build_release(&Steps::begin("build-and-load")?, "sensor-user", "smb-sensor")?;

    let privilege = Privilege::detect();
    let interfaces = arguments.interfaces.iter().flat_map(|interface| ["--iface", interface]);
    let Some(mut command) = privilege.command(&agent) else {
        let interfaces: Vec<&str> = interfaces.collect();
        bail!(
            "loading a kernel program needs root, and sudo cannot be used here; run as root: {} run {}",
            agent.display(),
            interfaces.join(" ")
        );
    };
    command.arg("run").args(interfaces).args(&arguments.agent_flags);
    Err(command.exec()).with_context(|| format!("starting {}", agent.display()))
}
