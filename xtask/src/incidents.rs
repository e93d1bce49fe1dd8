//! Plays every scenario of the tests and writes the table of the sensor's reports about each.

use std::{env, process::ExitCode};

use anyhow::{Context, bail};

use crate::{build::build_debug, page, privilege::Privilege, setup, steps::Steps};

/// Arguments of `incidents`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Play only the scenarios whose name contains this; their table is printed and not kept
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// The page that holds the table, in the workspace.
const PAGE: &str = "docs/incidents.md";

/// Plays the scenarios; fails if a result is not as expected.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let steps = Steps::begin("incidents")?;
    setup::prepare(&steps, setup::Purpose::Tests)?;
    let agent = build_debug(&steps, "sensor-user", "smb-sensor")?;
    let program = build_debug(&steps, "sensor-tests", "incident-table")?;
    let Some(mut command) = Privilege::detect().command("env") else {
        bail!(
            "the scenarios need network namespaces, which need root, and sudo cannot be used here; run as root: cargo xtask \
             incidents"
        );
    };
    // sudo may set its own PATH; the peers are on the user's PATH or among administrators' programs.
    let path = env::var("PATH").unwrap_or_default();
    command.arg(format!("PATH={path}:/usr/local/sbin:/usr/sbin:/sbin"));
    command.arg(format!("SMB_SENSOR_BIN={}", agent.display())).arg(program).args(&arguments.name);
    let output = steps.run("Play the scenarios, which takes minutes", |_| {
        command.output().context("starting the scenarios as root")
    })?;
    // The differences from what is expected.
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).context("reading the table")?;
    print!("{table}");
    if arguments.name.is_none() && !table.is_empty() {
        page::keep(PAGE, "incidents", &table)?;
    }
    Ok(if output.status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
