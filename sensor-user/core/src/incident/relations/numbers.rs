//! Sets of small numbers.

use std::collections::BTreeMap;

/// A set of small numbers: words of 64 bits that are not zero, so that many of them are united in few steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers(BTreeMap<u32, u64>);

impl Numbers {
    pub(super) fn insert(&mut self, number: u32) {
        *self.0.entry(number / 64).or_default() |= 1 << (number % 64);
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(&(number / 64)) {
            *word &= !(1 << (number % 64));
            if *word == 0 {
                self.0.remove(&(number / 64));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.0.get(&(number / 64)).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(super) fn add(&mut self, others: &Self) {
        others.0.iter().for_each(|(at, word)| *self.0.entry(*at).or_default() |= word);
    }

    pub(super) fn len(&self) -> u64 {
        self.0.values().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let bits = |word: u64| (0..64).filter(move |bit| word >> bit & 1 == 1);
        self.0.iter().flat_map(move |(at, word)| bits(*word).map(move |bit| at * 64 + bit))
    }
}
