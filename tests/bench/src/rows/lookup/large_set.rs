//! A very large prefix set, and the maps that hold it.

use std::{collections::BTreeSet, net::Ipv4Addr};

use anyhow::{Context as _, Result, anyhow};
use aya::maps::{
    Array, HashMap,
    lpm_trie::{Key, LpmTrie},
};
use ipnet::{IpNet, Ipv4Net};
use sensor_common::topbits::{Leaf, TableV4};
use sensor_core::networks::Tables;
use sensor_user::{config::Config, kernel::object::LoadPlan};

use crate::baseline::Baseline;

/// Capacity for the prefixes that are built in.
const BUILT_IN: usize = 1_000;
/// The view in force in fresh maps, and the bits of a trie key that say it.
const VIEW: u32 = 0;
const VIEW_BITS: u32 = 32;

/// `count` different prefixes, spread evenly over all addresses: two thirds single addresses, as lists of bad ones have
/// them, one third /24. The same ones each time.
pub(super) fn prefixes(count: usize) -> Vec<Ipv4Net> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut set = BTreeSet::new();
    while set.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let length = if state.is_multiple_of(3) { 24 } else { 32 };
        set.extend(Ipv4Net::new(Ipv4Addr::from_bits((state >> 32) as u32), length).map(|net| net.trunc()));
    }
    set.into_iter().collect()
}

/// A configuration in which they all are internal.
pub(super) fn configuration(nets: &[Ipv4Net]) -> Config {
    let mut config = Config { internal: nets.iter().copied().map(IpNet::V4).collect(), ..Config::default() };
    config.kernel.max_prefixes = (nets.len() + BUILT_IN).next_power_of_two() as u32;
    config
}

/// Writes `nets` into the plain trie of the baselines.
pub(super) fn fill_trie(baseline: &mut Baseline, nets: &[Ipv4Net]) -> Result<()> {
    let map = baseline.ebpf().map_mut("TRIE").context("the baselines have no TRIE")?;
    let mut trie: LpmTrie<_, [u8; 4], u32> = map.try_into().context("open the baseline's trie")?;
    for net in nets {
        let key = Key::new(u32::from(net.prefix_len()), net.network().octets());
        trie.insert(&key, 1, 0).with_context(|| format!("put {net} into the baseline's trie"))?;
    }
    Ok(())
}

/// Writes the prefixes of `plan` into the baselines' copies of the sensor's maps: the trie and the tables before it.
pub(super) fn fill_tables(baseline: &mut Baseline, plan: &LoadPlan) -> Result<()> {
    let tables = Tables::new(&plan.prefixes, plan.capacity());
    let mut map = |name| {
        let map = baseline.ebpf().take_map(name);
        map.with_context(|| format!("the baselines have no {name}"))
    };
    let mut table: Array<_, TableV4> = map("TABLES_V4")?.try_into().context("open TABLES_V4")?;
    let words: Box<TableV4> =
        tables.table_v4.into_boxed_slice().try_into().map_err(|_| anyhow!("a table of another size"))?;
    table.set(VIEW, words, 0).context("fill TABLES_V4")?;
    let mut leaves: HashMap<_, [u32; 2], Leaf> = map("LEAVES_V4")?.try_into().context("open LEAVES_V4")?;
    for (network, leaf) in &tables.leaves_v4 {
        leaves.insert([VIEW, *network], leaf, 0).context("fill LEAVES_V4")?;
    }
    let mut trie: LpmTrie<_, [u8; 8], u64> = map("PREFIXES_V4")?.try_into().context("open PREFIXES_V4")?;
    for (net, flags) in plan.prefixes.iter() {
        let IpNet::V4(net) = net else { continue };
        let [view, address] = [VIEW.to_ne_bytes(), net.network().octets()];
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&view);
        bytes[4..].copy_from_slice(&address);
        let key = Key::new(VIEW_BITS + u32::from(net.prefix_len()), bytes);
        trie.insert(&key, flags.0, 0).with_context(|| format!("put {net} into PREFIXES_V4"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_has_the_requested_number_of_distinct_prefixes_each_time() {
        assert_eq!(prefixes(1_000).len(), 1_000);
        assert_eq!(prefixes(50), prefixes(50));
    }
}
