//! Replays captures in both engines and writes the results of each: `cargo xtask replay-report`.
#![expect(clippy::print_stdout, reason = "a report is for the person who runs it")]

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::Result;
use sensor_tests::{ReplayTable, privileged};

fn main() -> ExitCode {
    let folders: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    match report(&folders) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table; returns whether the engines agreed on every capture.
fn report(folders: &[PathBuf]) -> Result<bool> {
    let table = ReplayTable::of(folders, privileged("replay-report"))?;
    print!("{table}");
    Ok(table.engines_agree())
}
