//! A bounded table that keeps recently used entries.
//!
//! It has two halves. A used entry moves to the young half. When that is full it becomes the old one, and the entries left
//! in the previous old half are forgotten. So each use costs the same, and a flood of new keys removes only entries that
//! were unused while half a table of others arrived.

use std::{collections::HashMap, hash::Hash, mem};

/// A bounded table that forgets about the least recently used entries first.
#[derive(Clone, Debug)]
pub struct LruMap<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Copy + Eq + Hash, V: Default> LruMap<K, V> {
    /// An empty table that keeps at least the last `half` entries, and at most twice as many.
    #[must_use]
    pub fn new(half: usize) -> Self {
        Self { half: half.max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// The entry of `key`; inserts a default if there is none.
    pub fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let known = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= self.half {
                self.old = mem::take(&mut self.young);
            }
            self.young.insert(key, known);
        }
        self.young.entry(key).or_default()
    }

    /// Removes an entry.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_used_entries_and_drops_unused_ones() {
        let mut map: LruMap<u32, u32> = LruMap::new(4);
        *map.entry(0) = 7;
        for key in 1..100 {
            *map.entry(key) += 1;
            assert_eq!(*map.entry(0), 7, "used each time");
        }
        assert_eq!(*map.entry(1), 0, "forgotten");
        assert!(map.young.len() + map.old.len() <= 8);
    }

    #[test]
    fn removed_entry_is_gone() {
        let mut map: LruMap<u32, u32> = LruMap::new(4);
        *map.entry(1) = 7;
        assert_eq!((map.remove(&1), map.remove(&1)), (Some(7), None));
    }
}
