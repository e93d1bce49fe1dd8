//! Builds the release agent and becomes it.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::cargo::build_release;
use crate::privilege::Privilege;

/// What `build-and-load` takes.
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
/// This process turns into the agent, so that signals reach the agent alone and its exit code is the task's.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let agent = build_release("sensor-user", "smb-sensor")?;

    let privilege = Privilege::detect();
    let interfaces = arguments.interfaces.iter().flat_map(|interface| ["--iface", interface]);
    let Some(mut command) = privilege.command(&agent) else {
        let interfaces: Vec<&str> = interfaces.collect();
        bail!(
            "loading a kernel program needs root and there is no sudo that may be used here; run as root: {} run {}",
            agent.display(),
            interfaces.join(" ")
        );
    };
    command.arg("run").args(interfaces).args(&arguments.agent_flags);
    Err(command.exec()).with_context(|| format!("starting {}", agent.display()))
}
