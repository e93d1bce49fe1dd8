//! Writes prefix sets into the kernel while packets pass.
//!
//! Everything exists in two views. A new set is written into the inactive view, then the view is
//! switched. A packet reads once which view is active, so it sees the old set or the new one, never a mixture. The old
//! view is written again only after every packet that may still read it is done.

use std::{collections::BTreeMap, net::IpAddr};

use aya::maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, lpm_trie::Key};
use ipnet::IpNet;
use sensor_common::{
    prefix::PrefixFlags,
    topbits::{BLOCK_V6_WORDS, Leaf, TOP_ENTRIES, TopsV6},
};
use thiserror::Error;

use super::{object::LoadError, table::TableMemory};
use sensor_core::networks::{Capacity, PrefixSet, Tables};

/// Bits of a trie key for the view.
const VIEW_BITS: u32 = 32;

/// Why a prefix set was not applied. The old one stays active.
#[derive(Debug, Error)]
pub enum PrefixError {
    /// More prefixes than the kernel's tries can have.
    #[error("{count} prefixes, but capacity for {most}: raise kernel.max_prefixes and restart")]
    TooMany {
        /// Prefixes in the set.
        count: usize,
        /// Prefixes that fit.
        most: usize,
    },
    /// The kernel did not accept an entry.
    #[error("the kernel does not accept {what}: {source}")]
    Write {
        /// What was written.
        what: String,
        /// The kernel's message.
        #[source]
        source: MapError,
    },
}

/// A warning about this many mixed networks that are left to the tries.
#[must_use]
pub fn unblocked(count: u32) -> String {
    format!(
        "{count} parts of the address space have more networks than the fast tables hold: slower, not less exact"
    )
}

/// The kernel's prefix maps.
pub struct PrefixMaps {
    trie_v4: LpmTrie<MapData, [u8; 8], u64>,
    trie_v6: LpmTrie<MapData, [u8; 20], u64>,
    tables_v4: TableMemory,
    leaves_v4: HashMap<MapData, [u32; 2], Leaf>,
    tops_v6: Array<MapData, TopsV6>,
    blocks_v6: Array<MapData, u64>,
    in_force: Array<MapData, u32>,
    /// Content of `tops_v6`.
    tops: Box<[u32]>,
    capacity: Capacity,
    most: usize,
    view: usize,
    written: [Written; 2],
}

/// Content of a view, so that only differences are written.
struct Written {
    prefixes: BTreeMap<IpNet, PrefixFlags>,
    leaves_v4: Vec<(u32, Leaf)>,
    /// Words; `None` where an earlier run may have written something.
    blocks_v6: Vec<Option<u64>>,
}

impl Written {
    /// Content of new maps.
    fn empty() -> Self {
        Self { prefixes: BTreeMap::new(), leaves_v4: vec![], blocks_v6: vec![] }
    }
}

impl PrefixMaps {
    /// Takes the maps of a program that was loaded with this `capacity` for each view and `most` prefixes. If an earlier run filled
    /// them, `earlier_view` is the view that packets see.
    pub(super) fn open(
        mut take: impl FnMut(&'static str) -> Result<Map, LoadError>,
        capacity: Capacity,
        most: usize,
        earlier_view: Option<u32>,
    ) -> Result<Self, LoadError> {
        let failed = |source| LoadError::Write { what: "a prefix map's handle".into(), source };
        let mut maps = Self {
            trie_v4: take("PREFIXES_V4")?.try_into().map_err(failed)?,
            trie_v6: take("PREFIXES_V6")?.try_into().map_err(failed)?,
            tables_v4: TableMemory::open(take("TABLES_V4")?)?,
            leaves_v4: take("LEAVES_V4")?.try_into().map_err(failed)?,
            tops_v6: take(".bss.top_v6")?.try_into().map_err(failed)?,
            tops: vec![0; 2 * TOP_ENTRIES as usize].into_boxed_slice(),
            blocks_v6: take("BLOCKS_V6")?.try_into().map_err(failed)?,
            in_force: take(".bss.view")?.try_into().map_err(failed)?,
            capacity,
            most,
            view: 0,
            written: [Written::empty(), Written::empty()],
        };
        if let Some(view) = earlier_view {
            maps.read_earlier(view as usize & 1).map_err(failed)?;
        }
        Ok(maps)
    }

    /// Reads what an earlier run wrote into both views.
    fn read_earlier(&mut self, view: usize) -> Result<(), MapError> {
        self.view = view;
        self.tops.copy_from_slice(&self.tops_v6.get(&0, 0)?);
        for view in [0, 1] {
            let leaves_v4 = self.leaves_in_kernel(view);
            let blocks_v6 = vec![None; (self.capacity.v6_blocks * BLOCK_V6_WORDS) as usize];
            self.written[view as usize] = Written { prefixes: BTreeMap::new(), leaves_v4, blocks_v6 };
        }
        // Flags that no prefix has: whatever a new set says of it is written.
        let unknown = PrefixFlags(u64::MAX);
        for key in self.trie_v4.keys() {
            let (view, net) = earlier_prefix(&key?, |octets: [u8; 4]| IpAddr::from(octets));
            self.written[view & 1].prefixes.extend(net.map(|net| (net, unknown)));
        }
        for key in self.trie_v6.keys() {
            let (view, net) = earlier_prefix(&key?, |octets: [u8; 16]| IpAddr::from(octets));
            self.written[view & 1].prefixes.extend(net.map(|net| (net, unknown)));
        }
        Ok(())
    }

    /// The active view.
    #[must_use]
    pub const fn view(&self) -> u32 {
        self.view as u32
    }

    /// Applies `set`. Returns the number of mixed networks that are left to the tries because leaves or blocks ran out.
    ///
    /// # Errors
    /// [`PrefixError`]; the old set stays active.
    pub fn put(&mut self, set: &PrefixSet) -> Result<u32, PrefixError> {
        let count = set.iter().count();
        if count > self.most {
            return Err(PrefixError::TooMany { count, most: self.most });
        }
        let tables = Tables::new(set, self.capacity);
        let unblocked = tables.unblocked;
        let next = 1 - self.view;
        self.write_prefixes(next, set)?;
        self.write_tables(next, tables)?;
        self.in_force.set(0, next as u32, 0).map_err(|source| failed("the view switch", source))?;
        self.view = next;
        super::barrier::wait_for_packets_in_flight();
        Ok(unblocked)
    }

    fn write_prefixes(&mut self, view: usize, set: &PrefixSet) -> Result<(), PrefixError> {
        let new: BTreeMap<IpNet, PrefixFlags> = set.iter().collect();
        let gone: Vec<IpNet> =
            self.written[view].prefixes.keys().filter(|net| !new.contains_key(net)).copied().collect();
        for net in gone {
            self.erase(view, net).map_err(|source| failed(&format!("the removal of {net}"), source))?;
            self.written[view].prefixes.remove(&net);
        }
        for (net, flags) in new {
            if self.written[view].prefixes.get(&net) != Some(&flags) {
                self.insert(view, net, flags).map_err(|source| failed(&format!("prefix {net}"), source))?;
                self.written[view].prefixes.insert(net, flags);
            }
        }
        Ok(())
    }

    fn insert(&mut self, view: usize, net: IpNet, flags: PrefixFlags) -> Result<(), MapError> {
        let flags = flags.in_view(view as u32);
        match key(view, net) {
            TrieKey::V4(key) => self.trie_v4.insert(&key, flags.0, 0),
            TrieKey::V6(key) => self.trie_v6.insert(&key, flags.0, 0),
        }
    }

    fn erase(&mut self, view: usize, net: IpNet) -> Result<(), MapError> {
        match key(view, net) {
            TrieKey::V4(key) => self.trie_v4.remove(&key),
            TrieKey::V6(key) => self.trie_v6.remove(&key),
        }
    }

    fn write_leaves(&mut self, view: usize, leaves: Vec<(u32, Leaf)>) -> Result<(), MapError> {
        for step in leaf_steps(&self.written[view].leaves_v4, &leaves) {
            match step {
                LeafStep::Remove(network) => self.leaves_v4.remove(&[view as u32, network])?,
                LeafStep::Write(network, leaf) => self.leaves_v4.insert([view as u32, network], leaf, 0)?,
            }
        }
        self.written[view].leaves_v4 = leaves;
        Ok(())
    }

    /// The leaves of a view in the kernel, in order.
    fn leaves_in_kernel(&self, view: u32) -> Vec<(u32, Leaf)> {
        let all = self.leaves_v4.iter().filter_map(Result::ok);
        let mut leaves: Vec<_> =
            all.filter(|([of, _], _)| *of == view).map(|([_, network], leaf)| (network, leaf)).collect();
        leaves.sort_unstable_by_key(|(network, _)| *network);
        leaves
    }

    fn write_tables(&mut self, view: usize, tables: Tables) -> Result<(), PrefixError> {
        let what = |source| failed("a prefix table", source);
        let (capacity, number) = (self.capacity, view as u32);
        self.tables_v4.write(view, &tables.table_v4);
        if let Err(source) = self.write_leaves(view, tables.leaves_v4) {
            // The kernel is asked for the present content, so that the next set finds what to remove.
            self.written[view].leaves_v4 = self.leaves_in_kernel(number);
            return Err(what(source));
        }
        let written = &mut self.written[view];
        let half = view * TOP_ENTRIES as usize..(view + 1) * TOP_ENTRIES as usize;
        self.tops[half].copy_from_slice(&tables.top_v6);
        if let Ok(tops) = <&TopsV6>::try_from(&*self.tops) {
            self.tops_v6.set(0, tops, 0).map_err(what)?;
        }
        differences(&mut written.blocks_v6, tables.blocks_v6, |at, value| {
            self.blocks_v6.set(number * capacity.v6_blocks * BLOCK_V6_WORDS + at, value, 0)
        })
        .map_err(what)
    }
}

/// A step from one list of leaves to another.
enum LeafStep {
    Remove(u32),
    Write(u32, Leaf),
}

/// The steps from `old` to `new`, both in order.
fn leaf_steps(old: &[(u32, Leaf)], new: &[(u32, Leaf)]) -> Vec<LeafStep> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut steps = Vec::new();
    loop {
        match (old.peek(), new.peek()) {
            (None, None) => return steps,
            (Some((gone, _)), after) if after.is_none_or(|(network, _)| gone < network) => {
                steps.push(LeafStep::Remove(*gone));
                old.next();
            }
            (before, Some((network, leaf))) => {
                let held = before.filter(|(known, _)| known == network).map(|(_, leaf)| leaf);
                if held != Some(leaf) {
                    steps.push(LeafStep::Write(*network, *leaf));
                }
                if held.is_some() {
                    old.next();
                }
                new.next();
            }
            (Some(_), None) => return steps,
        }
    }
}

/// Writes the words of `new` that differ from those of `held`, one by one, and keeps `held` equal to the kernel's content. What is
/// behind the end of `held` was never written: the kernel made it of zeros.
fn differences(
    held: &mut Vec<Option<u64>>,
    new: Vec<u64>,
    mut write: impl FnMut(u32, u64) -> Result<(), MapError>,
) -> Result<(), MapError> {
    if held.len() < new.len() {
        held.resize(new.len(), Some(0));
    }
    for (at, (old, value)) in held.iter_mut().zip(new).enumerate() {
        if *old != Some(value) {
            write(at as u32, value)?;
            *old = Some(value);
        }
    }
    Ok(())
}

/// The view and the prefix of a key that an earlier run wrote.
fn earlier_prefix<const OF: usize, const LEN: usize>(
    key: &Key<[u8; OF]>,
    address: impl Fn([u8; LEN]) -> IpAddr,
) -> (usize, Option<IpNet>) {
    let data = key.data();
    let (view, octets) = data.split_at(OF - LEN);
    let view = view.first_chunk().map_or(0, |view| u32::from_ne_bytes(*view));
    let length = key.prefix_len().saturating_sub(VIEW_BITS) as u8;
    let octets = octets.first_chunk().map(|octets| address(*octets));
    (view as usize, octets.and_then(|address| IpNet::new(address, length).ok()))
}

enum TrieKey {
    V4(Key<[u8; 8]>),
    V6(Key<[u8; 20]>),
}

fn key(view: usize, net: IpNet) -> TrieKey {
    let length = VIEW_BITS + u32::from(net.prefix_len());
    let view = (view as u32).to_ne_bytes();
    match net.network() {
        IpAddr::V4(address) => {
            let mut data = [0; 8];
            data[..4].copy_from_slice(&view);
            data[4..].copy_from_slice(&address.octets());
            TrieKey::V4(Key::new(length, data))
        }
        IpAddr::V6(address) => {
            let mut data = [0; 20];
            data[..4].copy_from_slice(&view);
            data[4..].copy_from_slice(&address.octets());
            TrieKey::V6(Key::new(length, data))
        }
    }
}

fn failed(what: &str, source: MapError) -> PrefixError {
    PrefixError::Write { what: what.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_only_words_that_differ_from_the_kernel_s() {
        let mut written = Vec::new();
        let mut held = Vec::new();
        let mut put = |held: &mut Vec<Option<u64>>, new: &[u64]| {
            differences(held, new.to_vec(), |at, value| {
                written.push((at, value));
                Ok(())
            })
            .unwrap();
            std::mem::take(&mut written)
        };
        assert_eq!(put(&mut held, &[0, 7, 0, 9]), [(1, 7), (3, 9)], "a new map is of zeros");
        assert_eq!(put(&mut held, &[0, 7]), []);
        assert_eq!(put(&mut held, &[5, 0, 0, 9, 0]), [(0, 5), (1, 0)], "what was behind is known");
        let mut held = vec![None; 2];
        assert_eq!(put(&mut held, &[0, 7, 0]), [(0, 0), (1, 7)], "an earlier run may have written something");
    }

    #[test]
    fn earlier_prefix_is_the_one_that_was_written() {
        for (view, net) in [(0, "10.0.0.0/8"), (1, "9.9.9.9/32"), (1, "2001:db8::/32"), (0, "::/0")] {
            let net: IpNet = net.parse().unwrap();
            let read = match key(view, net) {
                TrieKey::V4(key) => earlier_prefix(&key, |octets: [u8; 4]| IpAddr::from(octets)),
                TrieKey::V6(key) => earlier_prefix(&key, |octets: [u8; 16]| IpAddr::from(octets)),
            };
            assert_eq!(read, (view, Some(net)));
        }
    }

    #[test]
    fn removes_gone_leaves_and_writes_only_changed_ones() {
        let leaf = |word| -> Leaf { [word; 8] };
        let old = [(1, leaf(1)), (3, leaf(3)), (5, leaf(5)), (9, leaf(9))];
        let new = [(0, leaf(0)), (3, leaf(3)), (5, leaf(50))];
        let steps: Vec<_> = leaf_steps(&old, &new)
            .into_iter()
            .map(|step| match step {
                LeafStep::Remove(network) => ("remove", network),
                LeafStep::Write(network, _) => ("write", network),
            })
            .collect();
        assert_eq!(steps, [("write", 0), ("remove", 1), ("write", 5), ("remove", 9)]);
        assert!(leaf_steps(&old, &old).is_empty());
        assert_eq!(leaf_steps(&old, &[]).len(), 4);
    }
}
