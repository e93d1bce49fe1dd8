//! Every scenario has a test, and every test a scenario.

use std::collections::BTreeSet;

use sensor_tests::scenario::all;

const TESTS: [&str; 7] = [
    include_str!("framing.rs"),
    include_str!("inbound.rs"),
    include_str!("outbound.rs"),
    include_str!("retries.rs"),
    include_str!("strays.rs"),
    include_str!("sweeps.rs"),
    include_str!("transfers.rs"),
];

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
