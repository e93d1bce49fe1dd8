//! Flattening: every stored prefix carries the flags of all prefixes that cover it.
//!
//! A trie answers with the longest match alone, so the flags of a wider prefix must be written into the narrower ones.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use sensor_common::prefix::PrefixFlags;

/// Prefixes with flags, flattened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixSet {
    // By network and then length: a prefix precedes everything inside it.
    flattened: BTreeMap<IpNet, PrefixFlags>,
}

impl PrefixSet {
    /// Flattens a list in which a prefix may appear several times and cover others.
    #[must_use]
    pub fn new(prefixes: impl IntoIterator<Item = (IpNet, PrefixFlags)>) -> Self {
        let mut flattened: BTreeMap<IpNet, PrefixFlags> = BTreeMap::new();
        for (net, flags) in prefixes {
            let entry = flattened.entry(net.trunc()).or_default();
            *entry = entry.union(flags);
        }
        // One pass in order, with the chain of prefixes around the current one on a stack.
        let mut around: Vec<(IpNet, PrefixFlags)> = Vec::new();
        for (net, flags) in &mut flattened {
            while around.last().is_some_and(|(outer, _)| !outer.contains(net)) {
                around.pop();
            }
            if let Some((_, outer)) = around.last() {
                *flags = flags.union(*outer);
            }
            around.push((*net, *flags));
        }
        Self { flattened }
    }

    /// The same prefixes with other flags.
    #[must_use]
    pub fn map(mut self, flags_of: impl Fn(IpNet, PrefixFlags) -> PrefixFlags) -> Self {
        for (net, flags) in &mut self.flattened {
            *flags = flags_of(*net, *flags);
        }
        self
    }

    /// The flattened prefixes.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, PrefixFlags)> + '_ {
        self.flattened.iter().map(|(net, flags)| (*net, *flags))
    }

    /// Flags of the longest prefix that covers `address`, as the kernel's trie answers.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> PrefixFlags {
        let host = IpNet::from(address);
        (0..=host.prefix_len())
            .rev()
            .filter_map(|len| IpNet::new(address, len).ok())
            .find_map(|net| self.flattened.get(&net.trunc()).copied())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERNAL: PrefixFlags = PrefixFlags::INTERNAL;
    const RESERVED: PrefixFlags = PrefixFlags::RESERVED;
    const EXEMPT: PrefixFlags = PrefixFlags::EXEMPT_SOURCE;

    fn set(prefixes: &[(&str, PrefixFlags)]) -> PrefixSet {
        PrefixSet::new(prefixes.iter().map(|(net, flags)| (net.parse().unwrap(), *flags)))
    }

    fn flags(set: &PrefixSet, address: &str) -> PrefixFlags {
        set.lookup(address.parse().unwrap())
    }

    #[test]
    fn narrow_prefix_inherits_flags_of_wider_ones() {
        let set = set(&[("10.1.2.0/24", EXEMPT), ("10.0.0.0/8", INTERNAL), ("0.0.0.0/0", RESERVED)]);
        assert_eq!(flags(&set, "10.1.2.3"), EXEMPT.union(INTERNAL).union(RESERVED));
        assert_eq!(flags(&set, "10.1.3.3"), INTERNAL.union(RESERVED));
        assert_eq!(flags(&set, "8.8.8.8"), RESERVED);
    }

    #[test]
    fn neighbours_and_other_families_inherit_nothing() {
        let set = set(&[("10.0.0.0/9", EXEMPT), ("10.128.0.0/9", INTERNAL), ("::/0", RESERVED)]);
        assert_eq!(flags(&set, "10.127.0.1"), EXEMPT);
        assert_eq!(flags(&set, "10.128.0.1"), INTERNAL);
        assert_eq!(flags(&set, "11.0.0.1"), PrefixFlags::NONE);
        assert_eq!(flags(&set, "2001::1"), RESERVED);
    }

    #[test]
    fn repeated_prefix_has_the_flags_of_both() {
        let set = set(&[("10.0.0.0/8", INTERNAL), ("10.0.0.0/8", RESERVED)]);
        assert_eq!(flags(&set, "10.0.0.1"), INTERNAL.union(RESERVED));
        assert_eq!(set.iter().count(), 1);
    }

    #[test]
    fn host_bits_are_ignored() {
        assert_eq!(flags(&set(&[("10.9.9.9/8", INTERNAL)]), "10.0.0.1"), INTERNAL);
    }
}
