//! Runs random frames, or random prefix sets, through the kernel program, the host engine and an oracle.

use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::{build::build_debug, cargo::workspace_root, privilege::Privilege, steps::Steps};

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long to run: 60s, 10m or 8h
    #[arg(long, default_value = "60s", value_parser = seconds)]
    time: u64,
    /// Stop after this many frames or prefix sets
    #[arg(long)]
    count: Option<u64>,
    /// Seed of the random numbers; the same seed gives the same frames. The default is a new seed, which is printed
    #[arg(long)]
    seed: Option<u64>,
    /// Test prefix sets instead of frames: the kernel's classification against longest-prefix match
    #[arg(long)]
    prefixes: bool,
}

/// Captures whose frames the fuzzer mutates.
const CAPTURES: &str = "tests/captures";

/// Runs the fuzzer; fails at the first disagreement.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let program = build_debug(&Steps::begin("fuzz")?, "sensor-tests", "fuzz")?;
    // Without root the program leaves the kernel out and says so.
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
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "not a time span; write it like 60s, 10m or 8h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_with_their_units() {
        assert_eq!(
            [seconds("90"), seconds("60s"), seconds("10m"), seconds("2h")],
            [Ok(90), Ok(60), Ok(600), Ok(7200)]
        );
        assert!(seconds("soon").is_err() && seconds("").is_err());
    }
}
