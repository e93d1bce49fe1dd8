//! Builds the tables on the top bits, which answer before the tries.
//!
//! Takes a flattened prefix set, gives tables, leaves and blocks as [`sensor_common::topbits`] describes them. The trie is
//! the truth: a table that cannot express the trie's answer refers to the trie.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use sensor_common::topbits::{
    ANSWERS_OF_WORD, Answer, BLOCK_V6_WORDS, Leaf, TABLE_V4_WORDS, TOP_ENTRIES, Top, place_v4,
};

use super::PrefixSet;

/// Capacity of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// IPv4 leaves, 64 bytes each.
    pub v4_leaves: u32,
    /// IPv6 blocks, 16 KiB each.
    pub v6_blocks: u32,
}

/// The tables of one prefix set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The IPv4 table, [`TABLE_V4_WORDS`] words.
    pub table_v4: Vec<u64>,
    /// IPv4 leaves with the number of their /24, in order.
    pub leaves_v4: Vec<(u32, Leaf)>,
    /// First IPv6 table, [`TOP_ENTRIES`] entries.
    pub top_v6: Vec<u32>,
    /// IPv6 blocks, [`BLOCK_V6_WORDS`] words each.
    pub blocks_v6: Vec<u64>,
    /// Mixed networks (IPv4 /24, IPv6 /16) that are left to the trie because leaves or blocks ran out.
    pub unblocked: u32,
}

/// IPv6 /32 networks that may embed an IPv4 address: the answer depends on that one. ::/32 (mapped), 64:ff9b::/32 (NAT64),
/// 2001::/32 (Teredo); 2002::/16 (6to4) is all of its first-table entry.
const EMBEDDING: [(usize, usize); 3] = [(0x0000, 0x0000), (0x0064, 0xFF9B), (0x2001, 0x0000)];
const SIX_TO_FOUR: usize = 0x2002;

impl Tables {
    /// The leaf of an IPv4 /24, by its number.
    #[must_use]
    pub fn leaf_v4(&self, network: u32) -> Option<&Leaf> {
        let at = self.leaves_v4.binary_search_by_key(&network, |(number, _)| *number).ok()?;
        Some(&self.leaves_v4[at].1)
    }

    /// Builds the tables of `prefixes`, with at most `capacity` leaves and blocks.
    #[must_use]
    pub fn new(prefixes: &PrefixSet, capacity: Capacity) -> Self {
        let (table_v4, leaves_v4, unblocked_v4) = build_v4(prefixes, capacity.v4_leaves);
        let (top_v6, blocks_v6, unblocked_v6) = build_v6(prefixes, capacity.v6_blocks);
        Self { table_v4, leaves_v4, top_v6, blocks_v6, unblocked: unblocked_v4 + unblocked_v6 }
    }
}

/// One answer for each /24, wide prefixes before narrow ones (the set's order), and one for each address of a mixed /24.
fn build_v4(prefixes: &PrefixSet, capacity: u32) -> (Vec<u64>, Vec<(u32, Leaf)>, u32) {
    let mut table = vec![0; TABLE_V4_WORDS];
    // The set is in order, so a network's leaf is the last one, if it has one.
    let mut leaves: Vec<(u32, Leaf)> = Vec::new();
    let mut unblocked = 0;
    for (net, flags) in prefixes.iter() {
        let IpNet::V4(net) = net else { continue };
        let (address, length, answer) = (u32::from(net.network()), net.prefix_len(), Answer::of(flags));
        let first = (address >> 8) as usize;
        if length <= 24 {
            paint(&mut table, first, 1 << (24 - length), answer);
            continue;
        }
        let (word, shift) = place_v4(address);
        let around = Answer::from_bits(table[word] >> shift);
        // The table refers to the leaf or, without one, to the trie.
        let network = address >> 8;
        if let Some((_, leaf)) = leaves.last_mut().filter(|(last, _)| *last == network) {
            paint(leaf, (address & 0xFF) as usize, 1 << (32 - length), answer);
        } else if around != answer {
            paint(&mut table, first, 1, Answer::Walk);
            if leaves.len() < capacity as usize {
                let mut leaf = [of_all(around); 256 / ANSWERS_OF_WORD];
                paint(&mut leaf, (address & 0xFF) as usize, 1 << (32 - length), answer);
                leaves.push((network, leaf));
            } else {
                unblocked += u32::from(around != Answer::Walk);
            }
        }
    }
    // A leaf that refers to the trie for every address is useless.
    leaves.retain(|(_, leaf)| leaf.iter().any(|word| *word != of_all(Answer::Walk)));
    (table, leaves, unblocked)
}

/// A word filled with one answer.
const fn of_all(answer: Answer) -> u64 {
    answer as u64 * 0x5555_5555_5555_5555
}

/// Sets `count` answers, beginning with number `first`.
fn paint(words: &mut [u64], first: usize, count: usize, answer: Answer) {
    let (mut at, end) = (first, first + count);
    while at < end {
        let (word, within) = (at / ANSWERS_OF_WORD, at % ANSWERS_OF_WORD);
        let many = (ANSWERS_OF_WORD - within).min(end - at);
        let mask = (u64::MAX >> (64 - 2 * many)) << (2 * within);
        words[word] = words[word] & !mask | of_all(answer) & mask;
        at += many;
    }
}

/// One answer for each /16, and for each /32 of a mixed /16.
fn build_v6(prefixes: &PrefixSet, capacity: u32) -> (Vec<u32>, Vec<u64>, u32) {
    let mut uniform = vec![Answer::Nothing; TOP_ENTRIES as usize];
    let mut mixed: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for (net, flags) in prefixes.iter() {
        let (IpNet::V6(net), IpAddr::V6(address)) = (net, net.network()) else { continue };
        let [first, second, ..] = address.segments().map(usize::from);
        let answer = Answer::of(flags);
        let length = net.prefix_len();
        if length <= 16 {
            uniform[first..first + (1 << (16 - length))].fill(answer);
            continue;
        }
        let block = mixed.entry(first).or_insert_with(|| block_of(uniform[first]));
        if length <= 32 {
            paint(block, second, 1 << (32 - length), answer);
        } else {
            paint(block, second, 1, Answer::Walk);
        }
    }
    for (first, second) in EMBEDDING {
        let block = mixed.entry(first).or_insert_with(|| block_of(uniform[first]));
        paint(block, second, 1, Answer::Walk);
    }
    mixed.remove(&SIX_TO_FOUR);
    uniform[SIX_TO_FOUR] = Answer::Walk;

    let mut top: Vec<u32> = uniform.into_iter().map(|answer| Top::Uniform(answer).entry()).collect();
    let mut blocks = Vec::with_capacity(mixed.len().min(capacity as usize) * BLOCK_V6_WORDS as usize);
    let mut unblocked = 0;
    for (number, (first, block)) in mixed.into_iter().enumerate() {
        top[first] = if number < capacity as usize {
            blocks.extend(block);
            Top::Block(number as u32).entry()
        } else {
            unblocked += 1;
            Top::Uniform(Answer::Walk).entry()
        };
    }
    debug_assert_eq!(blocks.len() % BLOCK_V6_WORDS as usize, 0);
    (top, blocks, unblocked)
}

/// An IPv6 block filled with one answer.
fn block_of(answer: Answer) -> Vec<u64> {
    vec![of_all(answer); BLOCK_V6_WORDS as usize]
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use sensor_common::{
        prefix::PrefixFlags,
        topbits::{place_in_leaf, place_v6},
    };

    use super::*;
    use crate::networks::fixtures::built_in;

    const CAPACITY: Capacity = Capacity { v4_leaves: 4_096, v6_blocks: 64 };

    impl Tables {
        fn answer(&self, address: IpAddr) -> Answer {
            match address {
                IpAddr::V4(address) => {
                    let address = u32::from(address);
                    let (word, shift) = place_v4(address);
                    match (Answer::from_bits(self.table_v4[word] >> shift), self.leaf_v4(address >> 8)) {
                        (Answer::Walk, Some(leaf)) => {
                            let (word, shift) = place_in_leaf(address);
                            Answer::from_bits(leaf[word] >> shift)
                        }
                        (answer, _) => answer,
                    }
                }
                IpAddr::V6(address) => {
                    let octets = address.octets();
                    let words = std::array::from_fn(|i| {
                        u32::from_ne_bytes([
                            octets[i * 4],
                            octets[i * 4 + 1],
                            octets[i * 4 + 2],
                            octets[i * 4 + 3],
                        ])
                    });
                    let (top, word, shift) = place_v6(&words);
                    match Top::from_entry(self.top_v6[top as usize]) {
                        Top::Uniform(answer) => answer,
                        Top::Block(block) => Answer::from_bits(
                            self.blocks_v6[(block * BLOCK_V6_WORDS + word) as usize] >> shift,
                        ),
                    }
                }
            }
        }
    }

    /// A table may refer to the trie, and must otherwise agree with it.
    fn agree(set: &PrefixSet, tables: &Tables, address: IpAddr) -> Answer {
        let answer = tables.answer(address);
        if answer != Answer::Walk {
            assert_eq!(answer, Answer::of(set.lookup(address)), "{address}");
        }
        answer
    }

    #[test]
    fn default_networks_need_no_trie_for_usual_addresses() {
        let set = built_in(&[]);
        let tables = Tables::new(&set, CAPACITY);
        assert_eq!(tables.unblocked, 0);
        for address in [
            "10.0.0.2",
            "8.8.4.4",
            "192.0.1.1",
            "198.18.0.1",
            "192.0.0.1",
            "192.0.0.9",
            "203.0.113.9",
            "224.0.0.1",
            "2001:4860:4860::8844",
            "fd00::1",
            "fe80::1",
            "2a00::1",
            "2001:db8::1",
        ] {
            assert_ne!(agree(&set, &tables, address.parse().unwrap()), Answer::Walk, "{address}");
        }
        for address in ["::1", "::ffff:8.8.4.4", "64:ff9b::808:404", "2002:808:404::1", "2001:0:1::1"] {
            assert_eq!(agree(&set, &tables, address.parse().unwrap()), Answer::Walk, "{address}");
        }
    }

    #[test]
    fn tables_agree_with_longest_prefix_match_on_random_sets() {
        let mut random = Random(0x5EED_1234_5678_9ABC);
        for round in 0..6 {
            let set = PrefixSet::new((0..400).map(|_| {
                let flags = PrefixFlags(random.below(32) as u64);
                if random.below(2) == 0 {
                    let address = Ipv4Addr::from(random.below(1 << 32) as u32 & 0x03FF_FFFF | 0x0A00_0000);
                    (IpNet::new(address.into(), 8 + random.below(25) as u8).unwrap(), flags)
                } else {
                    let high = (0x2000 + random.below(4)) << 112 | random.below(1 << 20) << 92;
                    (IpNet::new(Ipv6Addr::from(high).into(), 3 + random.below(62) as u8).unwrap(), flags)
                }
            }));
            let tables = Tables::new(
                &set,
                if round == 5 { Capacity { v4_leaves: 2, v6_blocks: 1 } } else { CAPACITY },
            );
            assert_eq!(tables.unblocked > 0, round == 5);
            for _ in 0..20_000 {
                let v4 = Ipv4Addr::from(random.below(1 << 32) as u32 & 0x07FF_FFFF | 0x0800_0000);
                let v6 = Ipv6Addr::from((0x2000 + random.below(6)) << 112 | random.below(1 << 40) << 72);
                let _ = agree(&set, &tables, v4.into());
                let _ = agree(&set, &tables, v6.into());
            }
        }
    }

    /// xorshift64*: repeatable, and random enough for addresses.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u128) -> u128 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)) % bound
        }
    }
}
