//! Prefix lookup with a very large set, and what it takes to load it.

use std::{collections::BTreeMap, fs, net::Ipv4Addr, time::Instant};

use anyhow::{Context as _, Result};
use aya::maps::lpm_trie::{Key, LpmTrie};
use ipnet::{IpNet, Ipv4Net};
use sensor_user::config::Config;

use crate::{
    baseline::Baseline,
    effort::Effort,
    processor,
    row::{Row, Target, Unit},
    samples::{Interleaved, Samples, Subject},
    sensor,
    stand::Stand,
    test_run::Runnable,
};

const GROUP: &str = "prefixes";
/// Rounds before those that count.
const WARM_UP: usize = 2;
/// Lookups of one sample; each may miss every cache.
const LOOKUPS: u32 = 10_000;
/// `enum xdp_action`: found nothing, and found something.
const XDP_PASS: u32 = 2;
const XDP_DROP: u32 = 1;
const FRAME: [u8; 64] = [0; 64];

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let (_, cpu) = processor::pair()?;
    processor::on(cpu, || {
        let prefixes = prefixes(effort.prefixes);
        let mut rows = lookups(effort, &prefixes)?;
        rows.extend(load(prefixes)?);
        Ok(rows)
    })
}

/// `count` different prefixes, spread evenly over all addresses: two thirds single addresses, as lists of bad ones have
/// them, one third /24. The same ones each time.
fn prefixes(count: usize) -> Vec<Ipv4Net> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut set = std::collections::BTreeSet::new();
    while set.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let length = if state.is_multiple_of(3) { 24 } else { 32 };
        set.extend(Ipv4Net::new(Ipv4Addr::from_bits((state >> 32) as u32), length).map(|net| net.trunc()));
    }
    set.into_iter().collect()
}

fn lookups(effort: &Effort, prefixes: &[Ipv4Net]) -> Result<Vec<Row>> {
    let mut baseline = Baseline::load(prefixes.len() as u32, 4096)?;
    let map = baseline.ebpf().map_mut("TRIE").context("the baselines have no TRIE")?;
    let mut trie: LpmTrie<_, [u8; 4], u32> = map.try_into().context("open the baseline's trie")?;
    for net in prefixes {
        let key = Key::new(u32::from(net.prefix_len()), net.network().octets());
        trie.insert(&key, 1, 0).with_context(|| format!("put {net} into the baseline's trie"))?;
    }
    let stands = [Stand::new()?, Stand::new()?];
    stands[0].attach(baseline.xdp_mut("bench_address")?)?;
    stands[1].attach(baseline.xdp_mut("bench_lookup")?)?;

    let address = Runnable::Xdp(baseline.xdp("bench_address")?);
    let lookup = Runnable::Xdp(baseline.xdp("bench_lookup")?);
    let subjects = vec![
        Subject::new("address", || address.cost(&FRAME, LOOKUPS, &[XDP_PASS])),
        Subject::new("lookup", || lookup.cost(&FRAME, LOOKUPS, &[XDP_PASS, XDP_DROP])),
    ];
    let measured = Interleaved::measure(subjects, WARM_UP, effort.rounds)?;
    let of = |name| measured.of(name).with_context(|| format!("{name} was not measured"));
    let net = of("lookup")?.less(of("address")?);
    let millions = prefixes.len() as f64 / 1e6;
    Ok(vec![
        Row::new(GROUP, format!("lookup in the kernel's trie, {millions}M prefixes"), Unit::Nanoseconds, net)
            .note("uniform addresses; what it costs to make the address is taken off"),
        Row::not_measured(
            GROUP,
            format!("lookup of the sensor, {millions}M prefixes"),
            Unit::Nanoseconds,
            "the sensor's lookup cannot be run apart from its path yet",
        )
        .target(Target::AtMost(0.05)),
    ])
}

fn load(prefixes: Vec<Ipv4Net>) -> Result<Vec<Row>> {
    let count = prefixes.len() as f64 / 1e6;
    let config = Config { internal: prefixes.into_iter().map(IpNet::V4).collect(), ..Config::default() };
    let before = map_bytes()?;
    let start = Instant::now();
    let kernel = sensor::load(&config)?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = map_bytes()? - before;
    drop(kernel);
    Ok(vec![
        Row::new(
            GROUP,
            format!("load the sensor with {count}M prefixes"),
            Unit::Seconds,
            Samples::new(vec![seconds]),
        )
        .target(Target::AtMost(5.0)),
        Row::new(
            GROUP,
            format!("memory of the sensor's maps, {count}M prefixes"),
            Unit::Megabytes,
            Samples::new(vec![bytes as f64 / 1e6]),
        ),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_different_prefixes_as_asked_for_and_the_same_each_time() {
        assert_eq!(prefixes(1_000).len(), 1_000);
        assert_eq!(prefixes(50), prefixes(50));
    }
}
