//! A million random frames and some prefix sets in three implementations, and every frame on which they once disagreed.

use std::path::Path;

use sensor_common::counter::Counter;
use sensor_tests::{
    fuzz::{self, fixture::Fixture, prefixes, trial::Trial},
    privileged,
};

/// The same on every run; `cargo xtask fuzz` uses others.
const SEED: u64 = 445;

fn below(folder: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

#[test]
fn kernel_host_and_oracle_agree_on_a_million_frames() {
    let privileged = privileged("kernel_host_and_oracle_agree_on_a_million_frames");
    let plan = fuzz::FuzzPlan { seed: SEED, frames: 1_000_000, until: None, privileged };
    let recorded = fuzz::recorded_frames(&below("captures")).unwrap();
    assert!(recorded.len() > 500, "{} recorded frames", recorded.len());
    let tally = fuzz::run(&plan, &recorded, |_| {}).unwrap_or_else(|error| panic!("{error:#}"));
    println!("{tally}");
    assert_eq!(tally.host, plan.frames);
    assert!(tally.oracle > tally.host * 7 / 10, "the oracle could tell too seldom:\n{tally}");
    assert!(!privileged || tally.kernel == tally.host, "the kernel was left out:\n{tally}");
    // A run that never leaves the first branch would prove nothing.
    let over = [Counter::LostPackets, Counter::NoSlot, Counter::PayloadOver, Counter::QuicInitialsOver];
    let lost = [Counter::LOST_RECORDS, &over].concat();
    for counter in Counter::ALL {
        if !lost.contains(counter) {
            assert!(tally.met(*counter) >= 50, "{} was hardly met:\n{tally}", counter.name());
        }
    }
}

#[test]
fn all_agree_on_earlier_differences() {
    let privileged = privileged("all_agree_on_earlier_differences");
    for (path, fixture) in Fixture::all(&below("fixtures/frames")).unwrap() {
        let mut trial = Trial::new(fixture.options, privileged).unwrap();
        trial.batch(&fixture.frames).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
    }
}

#[test]
fn random_prefix_sets_match_longest_prefix_match() {
    if !privileged("random_prefix_sets_match_longest_prefix_match") {
        return;
    }
    let plan = prefixes::PrefixPlan { seed: SEED, sets: 24, until: None };
    let asked = prefixes::run(&plan).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(asked.sets == 24 && asked.prefixes > 5_000, "{asked:?}");
}
