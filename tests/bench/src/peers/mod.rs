//! Other programs that do part of the same work, each started in a namespace of its own.

pub(crate) mod capture;
pub(crate) mod nftables;
pub(crate) mod suricata;
pub(crate) mod xdp_filter;

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Runs a peer's command to its end.
fn run(command: &mut Command, package: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.output().with_context(|| format!("start {program}: install the package {package}"))?;
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}
