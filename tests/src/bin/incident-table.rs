//! Plays every scenario and writes the sensor's reports of each: `cargo xtask incidents`.
#![expect(clippy::print_stdout, reason = "a report is for the person who runs it")]

use std::{env, process::ExitCode};

use anyhow::Result;
use sensor_tests::scenario::{IncidentTable, all};

fn main() -> ExitCode {
    let wanted = env::args().nth(1).unwrap_or_default();
    match report(&wanted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table of the scenarios whose name contains `wanted`; returns whether all were as expected.
fn report(wanted: &str) -> Result<bool> {
    let table = IncidentTable::of(&all(), wanted)?;
    print!("{table}");
    for difference in table.differences() {
        eprintln!("not as expected: {difference}");
    }
    Ok(table.differences().is_empty())
}
