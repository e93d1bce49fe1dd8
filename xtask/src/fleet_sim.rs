//! Simulates a fleet of sensors and writes the table of the measurements.

use std::{
    env,
    process::{ExitCode, Stdio},
};

use anyhow::{Context, bail};

use crate::{build::build_release, page, privilege::Privilege, setup, steps::Steps};

/// Arguments of `fleet-sim`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Arguments of the simulation, such as --sensors, --rate and --seconds; the table is printed then and not kept
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// The page that holds the table, in the workspace.
const PAGE: &str = "docs/fleet.md";

/// Simulates; fails if a document is lost or there twice.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let steps = Steps::begin("fleet-sim")?;
    setup::prepare(&steps, setup::Purpose::Tests)?;
    let program = build_release(&steps, "sensor-fleet-sim", "sensor-fleet-sim")?;
    let Some(mut command) = Privilege::detect().command("env") else {
        bail!(
            "the servers run in a network namespace, which needs root, and sudo cannot be used here; run as root: cargo xtask \
             fleet-sim"
        );
    };
    // sudo may set its own PATH; nats-server is among administrators' programs.
    let path = env::var("PATH").unwrap_or_default();
    command.arg(format!("PATH={path}:/usr/local/sbin:/usr/sbin:/sbin")).arg(program);
    command.args(&arguments.arguments).stderr(Stdio::inherit());
    let output = command.output().context("starting the simulation")?;
    let table = String::from_utf8(output.stdout).context("reading the table")?;
    print!("{table}");
    if !output.status.success() {
        return Ok(ExitCode::FAILURE);
    }
    if arguments.arguments.is_empty() {
        page::keep(PAGE, "fleet-sim", &table)?;
    }
    Ok(ExitCode::SUCCESS)
}
