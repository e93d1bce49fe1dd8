//! Ways to hide a session from a sensor, through both engines; and the page about them.

use std::fs;

use anyhow::{Context as _, Result};
use sensor_common::counter::Counter;
use sensor_lab::scratch_dir;
use sensor_tests::{
    privileged, replayed,
    scenario::evasion::{Evasion, Outcome, evasions, outcome, table},
};
use sensor_user::{config::Config, replay::EngineChoice};

/// Counters of packets that could not be read.
const UNREADABLE: [Counter; 5] = [
    Counter::ShortFrame,
    Counter::Fragment,
    Counter::EvasiveFragment,
    Counter::UnknownLink,
    Counter::UnknownTunnel,
];

/// The page, and the lines between which the table stands.
const PAGE: &str = include_str!("../../docs/evasion.md");

fn outcome_of(evasion: &Evasion, engine: EngineChoice) -> Result<Outcome> {
    let scratch = scratch_dir()?;
    let capture = scratch.path().join("evasion.pcap");
    fs::write(&capture, evasion.pcap())?;
    let mut config = Config::default();
    config.kernel.tunnels = evasion.tunnels;
    config.kernel.flow_slots = evasion.flow_slots.unwrap_or(config.kernel.flow_slots);
    let replayed = replayed(&capture, engine, &config)?;
    let kernel = &replayed.played.statistics.kernel;
    Ok(outcome(&replayed.documents, kernel.sum(&UNREADABLE)))
}

fn differences(engine: EngineChoice) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    for evasion in evasions() {
        let outcome = outcome_of(&evasion, engine).with_context(|| format!("play {}", evasion.name))?;
        if outcome != evasion.expected {
            differences.push(format!("{}: {outcome:?}, not {:?}", evasion.name, evasion.expected));
        }
    }
    Ok(differences)
}

#[test]
fn host_engine_makes_of_each_evasion_what_the_page_says() {
    assert_eq!(differences(EngineChoice::Host).unwrap(), Vec::<String>::new());
}

#[test]
fn kernel_engine_makes_of_each_evasion_what_the_page_says() {
    if privileged("kernel_engine_makes_of_each_evasion_what_the_page_says") {
        assert_eq!(differences(EngineChoice::Kernel).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn page_has_the_table() {
    let table = table();
    assert!(PAGE.contains(&table), "put this table into docs/evasion.md:\n\n{table}");
}
