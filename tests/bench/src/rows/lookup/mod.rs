//! Prefix lookup with a very large set, and the cost of loading it.

mod large_set;
mod loading;

use anyhow::{Context as _, Result};
use sensor_common::settings::Settings;
use sensor_user::{config::Config, plan};
use zerocopy::IntoBytes as _;

use self::large_set::{configuration, fill_tables, fill_trie, prefixes};
use crate::{
    baseline::Baseline,
    effort::Effort,
    processor,
    row::{Row, Target, Unit},
    samples::{Interleaved, Subject},
    sensor,
    stand::Stand,
    test_run::Runnable,
};

const GROUP: &str = "prefixes";
/// Rounds before those that count.
const WARM_UP: usize = 2;
/// Lookups of one sample: enough to fill the caches for each method.
const LOOKUPS: u32 = 100_000;
/// How many times fewer rounds than for single packets.
const FEWER_ROUNDS: usize = 5;
/// `enum xdp_action`: found nothing, and found something.
const XDP_PASS: u32 = 2;
const XDP_DROP: u32 = 1;
const FRAME: [u8; 64] = [0; 64];

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let (_, cpu) = processor::pair()?;
    processor::on(cpu, || {
        let nets = prefixes(effort.prefixes);
        let config = configuration(&nets);
        let baseline = prepare(&config, &nets)?;
        let mut rows = lookups(effort, baseline, nets.len())?;
        rows.extend(loading::measure(&config, nets.len())?);
        Ok(rows)
    })
}

/// Baseline programs whose trie holds `nets`, and whose copies of the sensor's maps hold the set of `config`.
fn prepare(config: &Config, nets: &[ipnet::Ipv4Net]) -> Result<Baseline> {
    let plan = plan::load_plan(config, sensor::clock()?);
    let settings: Settings = plan.settings;
    let capacity = plan.max_prefixes;
    let mut baseline = Baseline::load(|loader| {
        loader
            .override_global("SETTINGS", settings.as_bytes(), true)
            .map_max_entries("TRIE", nets.len() as u32)
            .map_max_entries("PREFIXES_V4", capacity)
            .map_max_entries("LEAVES_V4", plan.capacity().v4_leaves);
    })?;
    fill_trie(&mut baseline, nets)?;
    fill_tables(&mut baseline, &plan)?;
    Ok(baseline)
}

fn lookups(effort: &Effort, mut baseline: Baseline, count: usize) -> Result<Vec<Row>> {
    let stands = [Stand::new()?, Stand::new()?, Stand::new()?];
    for (stand, name) in stands.iter().zip(["bench_address", "bench_lookup", "bench_flags"]) {
        stand.attach(baseline.xdp_mut(name)?)?;
    }
    let mut subjects = vec![];
    for name in ["bench_address", "bench_lookup", "bench_flags"] {
        let program = Runnable::Xdp(baseline.xdp(name)?);
        subjects.push(Subject::new(name, move || program.cost(&FRAME, LOOKUPS, &[XDP_PASS, XDP_DROP])));
    }
    let measured = Interleaved::measure(subjects, WARM_UP, effort.rounds / FEWER_ROUNDS)?;
    let of = |name| measured.of(name).with_context(|| format!("{name} was not measured"));
    let address = of("bench_address")?;
    let trie = of("bench_lookup")?.less(address);
    let millions = count as f64 / 1e6;
    Ok(vec![
        Row::new(
            GROUP,
            format!("lookup in the kernel's trie, {millions}M prefixes"),
            Unit::Nanoseconds,
            trie.clone(),
        )
        .note("uniform addresses; what it costs to make the address is taken off"),
        Row::new(
            GROUP,
            format!("lookup of the sensor, {millions}M prefixes"),
            Unit::Nanoseconds,
            of("bench_flags")?.less(address),
        )
        .against("the kernel's trie", &trie)
        .target(Target::AtMost(0.04)),
    ])
}
