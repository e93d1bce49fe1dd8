//! Plays every scenario of the tests and writes the table of what the sensor reported about each.

use std::{env, fs, process::ExitCode};

use anyhow::{Context, bail};

use crate::{build::build_debug, cargo::workspace_root, privilege::Privilege, setup, steps::Steps};

/// Arguments of `incidents`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Play only the scenarios whose name contains this; their table is printed and not kept
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// File of the table, in the workspace.
const KEPT: &str = "docs/incidents-table.md";

/// Text above the table.
const HEAD: &str = "\
# What the sensor reports about each scenario

Real peers play each scenario of [`tests/src/scenario`](../tests/src/scenario) in network namespaces around a real agent. A scenario
that takes hours or days is a capture for `smb-sensor replay` instead. The table is what the sensor wrote. Each scenario is played
a second time between two internal hosts, and nothing may be reported about this twin. `cargo xtask incidents` writes the table,
`cargo xtask incidents NAME` plays only the scenarios of that name, and `cargo test -p sensor-tests --test incidents` compares each
with what is expected.

";

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
        let kept = workspace_root().join(KEPT);
        fs::write(&kept, format!("{HEAD}{table}")).with_context(|| format!("writing {}", kept.display()))?;
        println!("Wrote {}", kept.display());
    }
    Ok(if output.status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
