//! Each attack is exactly one incident, and its internal twin none: a test for each scenario.

mod framing;
mod inbound;
mod named;
mod outbound;
mod retries;
mod strays;
mod sweeps;
mod transfers;

use std::{fs, path::Path};

use sensor_lab::{missing_for, skip};
use sensor_tests::scenario::all;

/// Plays a scenario and its internal twin, and compares the reports with the expected ones. If they differ, it
/// keeps the documents for inspection.
fn shows(name: &str) {
    let scenario =
        all().into_iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no scenario {name}"));
    if let Some(reason) = missing_for(scenario.needs) {
        return skip(&format!("incidents::{name}"), &reason);
    }
    let played = scenario.play().unwrap_or_else(|error| panic!("{error:#}"));
    let differences = scenario.differences(&played);
    if !differences.is_empty() {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.jsonl"));
        let lines: Vec<String> = played.documents.iter().map(|document| format!("{document}\n")).collect();
        fs::write(&kept, lines.concat()).unwrap_or_else(|error| panic!("write {}: {error}", kept.display()));
        panic!("{name}: {differences:#?}\nthe documents are in {}", kept.display());
    }
}
