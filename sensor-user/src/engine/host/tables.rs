//! The tables of one prefix set in little memory.
//!
//! Most of a table is the same answer over and over. Here a page that is equal to the one before it is not kept.

use sensor_common::topbits::{BLOCK_V6_WORDS, Leaf};
use sensor_core::networks::{Capacity, PrefixSet, Tables};

/// The tables on the top bits, as the packet path asks for them.
pub(super) struct HostTables {
    v4: Pages<u64, 128>,
    leaves_v4: Vec<(u32, Leaf)>,
    top_v6: Pages<u32, 256>,
    blocks_v6: Vec<u64>,
}

impl HostTables {
    /// Those of `prefixes`, with at most `capacity` leaves and blocks.
    pub(super) fn new(prefixes: &PrefixSet, capacity: Capacity) -> Self {
        let Tables { table_v4, leaves_v4, top_v6, blocks_v6, .. } = Tables::new(prefixes, capacity);
        Self { v4: Pages::of(&table_v4), leaves_v4, top_v6: Pages::of(&top_v6), blocks_v6 }
    }

    /// A word of the IPv4 table.
    pub(super) fn word_v4(&self, word: usize) -> u64 {
        self.v4.at(word)
    }

    /// A word of the leaf of an IPv4 /24, by its number. Without one, all its answers refer to the trie.
    pub(super) fn leaf_word_v4(&self, network: u32, word: usize) -> u64 {
        let at = self.leaves_v4.binary_search_by_key(&network, |(number, _)| *number);
        at.map_or(u64::MAX, |at| self.leaves_v4[at].1[word])
    }

    /// An entry of the first IPv6 table.
    pub(super) fn top_v6(&self, index: u32) -> u32 {
        self.top_v6.at(index as usize)
    }

    /// A word of an IPv6 block.
    pub(super) fn block_word_v6(&self, block: u32, word: u32) -> u64 {
        self.blocks_v6[(block * BLOCK_V6_WORDS + word) as usize]
    }
}

/// A table in pages of `N` entries, a power of two.
struct Pages<T, const N: usize> {
    /// For each page of the table, its place in `kept`.
    places: Vec<u32>,
    kept: Vec<[T; N]>,
}

impl<T: Copy + PartialEq, const N: usize> Pages<T, N> {
    /// The whole pages of a table.
    fn of(table: &[T]) -> Self {
        let (pages, rest) = table.as_chunks::<N>();
        debug_assert!(rest.is_empty(), "{} entries are no whole page", rest.len());
        let mut places = Vec::with_capacity(pages.len());
        let mut kept: Vec<[T; N]> = Vec::new();
        for page in pages {
            if kept.last() != Some(page) {
                kept.push(*page);
            }
            places.push(kept.len() as u32 - 1);
        }
        Self { places, kept }
    }

    fn at(&self, index: usize) -> T {
        self.kept[self.places[index / N] as usize][index % N]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_like_the_one_before_are_not_kept_and_every_entry_is_found() {
        let table: Vec<u32> = [[1; 8], [1; 8], [2; 8], [3, 2, 2, 2, 2, 2, 2, 2]].concat();
        let pages = Pages::<_, 8>::of(&table);
        assert_eq!(pages.kept.len(), 3);
        assert!((0..table.len()).all(|index| pages.at(index) == table[index]));
    }

    #[test]
    fn answers_are_those_of_the_tables() {
        let nets = ["10.0.0.0/8", "192.0.2.0/25", "224.0.0.0/4", "2001:db8::/32", "fc00::/7"];
        let flags = sensor_common::prefix::PrefixFlags::INTERNAL;
        let prefixes = PrefixSet::new(nets.map(|net| (net.parse().unwrap(), flags)));
        let capacity = Capacity { v4_leaves: 16, v6_blocks: 16 };
        let (tables, host) = (Tables::new(&prefixes, capacity), HostTables::new(&prefixes, capacity));
        assert!(tables.table_v4.iter().enumerate().all(|(word, answers)| host.word_v4(word) == *answers));
        assert!((0_u32..).zip(&tables.top_v6).all(|(index, entry)| host.top_v6(index) == *entry));
        let (network, leaf) = tables.leaves_v4[0];
        assert!((0..leaf.len()).all(|word| host.leaf_word_v4(network, word) == leaf[word]));
        assert_eq!(host.leaf_word_v4(network + 1, 0), u64::MAX);
        assert_eq!(host.block_word_v6(1, 5), tables.blocks_v6[BLOCK_V6_WORDS as usize + 5]);
    }
}
