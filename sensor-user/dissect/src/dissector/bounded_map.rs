//! A small map that forgets its oldest entry when it is full, so a peer cannot make it grow.

use std::collections::VecDeque;

/// The map.
#[derive(Debug)]
pub(super) struct BoundedMap<K, V> {
    entries: VecDeque<(K, V)>,
    most: usize,
}

impl<K: PartialEq, V: Copy> BoundedMap<K, V> {
    pub(super) const fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), most }
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.entries.len() == self.most {
            self.entries.pop_front();
        }
        self.entries.push_back((key, value));
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| *value)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(V) -> bool) {
        self.entries.retain(|(_, value)| keep(*value));
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.entries.iter().position(|(known, _)| known == key)?;
        self.entries.remove(place).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_entry_and_keeps_keys_unique() {
        let mut map = BoundedMap::new(2);
        for (key, value) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')] {
            map.insert(key, value);
        }
        assert_eq!((map.get(&1), map.get(&2), map.get(&3)), (Some('c'), None, Some('d')));
        assert_eq!((map.remove(&1), map.remove(&1)), (Some('c'), None));
    }
}
