//! Random frames, or prefix sets, through the kernel's program, the host engine and an oracle.

use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::{
    cargo::{build_debug, workspace_root},
    privilege::Privilege,
};

/// What `fuzz` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long to run, in seconds, minutes or hours: 60s, 10m, 8h
    #[arg(long, default_value = "60s", value_parser = seconds)]
    time: u64,
    /// Frames, or prefix sets, at most
    #[arg(long)]
    count: Option<u64>,
    /// Where to begin; the same seed gives the same frames. Without it each run has its own, which it tells
    #[arg(long)]
    seed: Option<u64>,
    /// Random prefix sets instead of frames: what the kernel takes an address for, against longest-prefix match
    #[arg(long)]
    prefixes: bool,
}

/// Captures whose frames are changed.
const CAPTURES: &str = "tests/captures";

/// Runs and tells; fails at the first disagreement.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let program = build_debug("sensor-tests", "fuzz")?;
    // Without a way to root the kernel is left out, which the program tells.
    let mut command = Privilege::detect().command(&program).unwrap_or_else(|| Command::new(&program));
    command.current_dir(workspace_root()).args(["--captures", CAPTURES]);
    command.args(["--seconds", &arguments.time.to_string()]);
    for (flag, value) in [("--count", arguments.count), ("--seed", arguments.seed)] {
        if let Some(value) = value {
            command.args([flag, &value.to_string()]);
        }
    }
    if arguments.prefixes {
        command.arg("--prefixes");
    }
    let status = command.status().context("starting the fuzzer")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads a time such as `90`, `60s`, `10m` or `8h`.
fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) if text.ends_with('m') => (number, 60),
        Some(number) if text.ends_with('h') => (number, 3600),
        Some(number) => (number, 1),
        None => (text, 1),
    };
    let number: Option<u64> = number.parse().ok();
    number.and_then(|number| number.checked_mul(unit)).ok_or_else(|| "say it like 60s, 10m or 8h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(
            [seconds("90"), seconds("60s"), seconds("10m"), seconds("2h")],
            [Ok(90), Ok(60), Ok(600), Ok(7200)]
        );
        assert!(seconds("soon").is_err() && seconds("").is_err());
    }
}
