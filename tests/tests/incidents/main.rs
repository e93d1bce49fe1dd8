//! Each attack is exactly one incident, and its internal twin none: a test for each scenario.

mod framing;
mod inbound;
mod named;
mod outbound;
mod retries;
mod strays;
mod sweeps;
mod transfers;

use sensor_lab::{missing_for, skip};
use sensor_tests::scenario::all;

/// Plays a scenario and its internal twin, and holds what was reported against what is expected.
fn shows(name: &str) {
    let scenario =
        all().into_iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no scenario {name}"));
    if let Some(reason) = missing_for(scenario.needs) {
        return skip(&format!("incidents::{name}"), &reason);
    }
    let played = scenario.play().unwrap_or_else(|error| panic!("{error:#}"));
    let differences = scenario.differences(&played);
    assert!(differences.is_empty(), "{name}: {differences:#?}");
}
