//! Time and memory that a very large prefix set takes.

use std::{collections::BTreeMap, fs, time::Instant};

use anyhow::{Context as _, Result};
use sensor_user::config::Config;

use super::GROUP;
use crate::{
    row::{Row, Target, Unit},
    samples::Samples,
    sensor,
};

/// Loads the sensor's maps once with the `count` prefixes of `config`.
pub(super) fn measure(config: &Config, count: usize) -> Result<Vec<Row>> {
    let millions = count as f64 / 1e6;
    let before = map_bytes()?;
    let start = Instant::now();
    let kernel = sensor::load(config)?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = map_bytes()? - before;
    drop(kernel);
    let row = |what, unit, value| {
        Row::new(GROUP, format!("{what}, {millions}M prefixes"), unit, Samples::new(vec![value]))
    };
    Ok(vec![
        row("load the sensor's maps", Unit::Seconds, seconds).target(Target::AtMost(5.0)),
        row("memory of the sensor's maps, as the kernel accounts it", Unit::Megabytes, bytes as f64 / 1e6),
    ])
}

/// Memory of all maps that this process holds, as the kernel accounts it.
fn map_bytes() -> Result<u64> {
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo").context("list this process's descriptors")? {
        // The listing's own descriptor is gone by now.
        let Ok(info) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let field = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim().parse::<u64>().ok()
        };
        if let (Some(id), Some(bytes)) = (field("map_id:"), field("memlock:")) {
            maps.insert(id, bytes);
        }
    }
    Ok(maps.values().sum())
}
