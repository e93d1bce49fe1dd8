//! Lints the kernel program.
//!
//! `cargo clippy` sees the program as it compiles for the host, which excludes nearly all of it.

use std::process::ExitCode;

use anyhow::Context;
use bpf_toolchain::{BuildRequest, Toolchain};

use crate::cargo::{target_dir, workspace_root};

/// Runs clippy for the kernel program; any warning fails.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let toolchain = Toolchain::find()?;
    let target_dir = target_dir().context("finding the target folder")?;
    toolchain.clippy(&BuildRequest::for_host(workspace_root(), target_dir.join("kernel")))?;
    println!("The kernel program has no lint warnings");
    Ok(ExitCode::SUCCESS)
}
