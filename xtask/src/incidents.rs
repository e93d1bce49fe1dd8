//! Plays every scenario of the tests and keeps the table of what the sensor reported of each.

use std::{
    env, fs,
    process::{ExitCode, Stdio},
};

use anyhow::{Context, bail};

use crate::{
    cargo::{build_debug, workspace_root},
    privilege::Privilege,
    setup,
};

/// What `incidents` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Play only the scenarios whose name contains this; their table is printed and not kept
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Where the table is kept, in the workspace.
const KEPT: &str = "docs/incidents-table.md";

/// What stands before the table.
const HEAD: &str = "\
# What the sensor reports of each scenario

Each scenario of [`tests/src/scenario`](../tests/src/scenario), played by real peers in network namespaces around a real agent,
or, where it takes hours or days, as a capture through `smb-sensor replay`. The table is what the sensor wrote. Each scenario is
played a second time between two internal hosts: of this twin nothing may be reported. `cargo xtask incidents` writes the table,
`cargo xtask incidents NAME` plays the scenarios of that name alone, and `cargo test -p sensor-tests --test incidents` holds each
against what is expected.

";

/// Plays the scenarios; fails where something is not as expected.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let ready = setup::run(&setup::Arguments::default())?;
    if ready != ExitCode::SUCCESS {
        return Ok(ready);
    }
    let agent = build_debug("sensor-user", "smb-sensor")?;
    let program = build_debug("sensor-tests", "incident-table")?;
    let Some(mut command) = Privilege::detect().command("env") else {
        bail!(
            "the scenarios need network namespaces, which need root, and there is no sudo that may be used here; run as \
             root: cargo xtask incidents"
        );
    };
    // sudo may set a PATH of its own; the peers are where the user's leads, or where administrators' programs are.
    let path = env::var("PATH").unwrap_or_default();
    command.arg(format!("PATH={path}:/usr/local/sbin:/usr/sbin:/sbin"));
    command.arg(format!("SMB_SENSOR_BIN={}", agent.display())).arg(program).args(&arguments.name);
    println!("playing the scenarios; this takes about two minutes");
    let output = command.stderr(Stdio::inherit()).output().context("starting the scenarios as root")?;
    let table = String::from_utf8(output.stdout).context("reading the table")?;
    print!("{table}");
    if arguments.name.is_none() && !table.is_empty() {
        let kept = workspace_root().join(KEPT);
        fs::write(&kept, format!("{HEAD}{table}")).with_context(|| format!("writing {}", kept.display()))?;
        println!("kept {}", kept.display());
    }
    Ok(if output.status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
