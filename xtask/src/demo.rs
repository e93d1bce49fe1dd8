//! Shows the sensor at work between throw-away network namespaces.

use std::process::ExitCode;

/// Runs the demonstration.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    anyhow::bail!("the demo does not exist yet; `cargo xtask build-and-load --iface IF` runs the sensor");
}
