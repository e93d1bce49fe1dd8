//! Every scenario has a test and a row in the documentation, and each of these a scenario.

use std::collections::BTreeSet;

use sensor_tests::scenario::{Direction, all};

const TESTS: [&str; 7] = [
    include_str!("framing.rs"),
    include_str!("inbound.rs"),
    include_str!("outbound.rs"),
    include_str!("retries.rs"),
    include_str!("strays.rs"),
    include_str!("sweeps.rs"),
    include_str!("transfers.rs"),
];

/// The page with a table of the scenarios, and the lines between which that stands.
const PAGE: &str = include_str!("../../../docs/incidents.md");
const BEGIN: &str = "<!-- begin: written by `cargo xtask incidents` -->";
const END: &str = "<!-- end: written by `cargo xtask incidents` -->";

#[test]
fn every_scenario_has_a_name_of_its_own_and_one_test() {
    let all = all();
    let names: BTreeSet<_> = all.iter().map(|one| one.name).collect();
    assert_eq!(names.len(), all.len(), "a name is there twice");
    for name in names {
        let call = format!("shows(\"{name}\")");
        assert_eq!(TESTS.iter().map(|file| file.matches(&call).count()).sum::<usize>(), 1, "tests of {name}");
    }
}

#[test]
fn every_scenario_has_one_row_in_the_documentation() {
    let (_, rest) = PAGE.split_once(BEGIN).expect("the table begins");
    let (table, _) = rest.split_once(END).expect("the table ends");
    // Behind the names of the columns and the line below them.
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    let all = all();
    let has_one = |about: &str, direction: Direction| {
        let beginning = format!("| {about} | {} | ", direction.word());
        rows.iter().filter(|row| row.starts_with(&beginning)).count() == 1
    };
    let not_once: Vec<_> =
        all.iter().filter(|one| !has_one(one.about, one.direction)).map(|one| one.name).collect();
    assert!(
        not_once.is_empty() && rows.len() == all.len(),
        "docs/incidents.md has {} rows for {} scenarios, and not one for each of {not_once:?}: cargo xtask incidents writes it anew",
        rows.len(),
        all.len()
    );
}
