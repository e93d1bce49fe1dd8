//! The blocks in the kernel program, and the packet count of each.

use std::net::IpAddr;

use aya::maps::{LpmTrie, Map, MapData, MapError, PerCpuArray, lpm_trie::Key};
use ipnet::IpNet;
use sensor_common::block::{BlockEnds, BlockEntry, MAX_BLOCKS};

use super::{object::LoadError, quic::words};

/// Name of the section of globals with the lease of blocks.
pub(super) const SECTION: &str = ".bss.blocking";

/// Bits of one address in a key.
const ADDRESS_BITS: u32 = 128;

/// A stored block: the beginning of both addresses of its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockKey {
    prefix_len: u32,
    ends: BlockEnds,
}

impl BlockKey {
    /// All packets of a network.
    #[must_use]
    pub fn of(net: IpNet) -> Self {
        let [a, b, c, d] = words(net.network());
        Self { prefix_len: length(net), ends: [a, b, c, d, 0, 0, 0, 0] }
    }

    /// The packets between a host and a network.
    #[must_use]
    pub fn between(host: IpAddr, net: IpNet) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (words(host), words(net.network()));
        Self { prefix_len: ADDRESS_BITS + length(net), ends: [a, b, c, d, e, f, g, h] }
    }

    /// How many bits of both addresses it names.
    #[must_use]
    pub const fn prefix_len(&self) -> u32 {
        self.prefix_len
    }

    /// Whether it concerns packets with these addresses, in this order.
    #[must_use]
    pub fn covers(&self, ends: &BlockEnds) -> bool {
        (0..self.prefix_len).all(|bit| {
            let bit_of = |ends: &BlockEnds| u32::from_be(ends[bit as usize / 32]) << (bit % 32) >> 31;
            bit_of(&self.ends) == bit_of(ends)
        })
    }

    const fn of_trie(&self) -> Key<BlockEnds> {
        Key::new(self.prefix_len, self.ends)
    }
}

/// Bits that a network fixes of an address of four words.
fn length(net: IpNet) -> u32 {
    u32::from(net.prefix_len()) + if net.network().is_ipv4() { ADDRESS_BITS - 32 } else { 0 }
}

/// The maps of blocks.
pub struct BlockMaps {
    trie: LpmTrie<MapData, BlockEnds, u32>,
    packets: PerCpuArray<MapData, u64>,
    /// The counts when each number was given to its block.
    before: Vec<u64>,
}

impl BlockMaps {
    pub(super) fn open(trie: Map, packets: Map) -> Result<Self, LoadError> {
        let failed = |source| LoadError::Write { what: "a handle of blocks".into(), source };
        Ok(Self {
            trie: trie.try_into().map_err(failed)?,
            packets: packets.try_into().map_err(failed)?,
            before: vec![0; MAX_BLOCKS as usize],
        })
    }

    /// Puts a block into force, from the next packet of an address that is marked as blocked.
    ///
    /// # Errors
    /// The kernel's error; the block is not in force.
    pub fn insert(&mut self, key: &BlockKey, entry: BlockEntry) -> Result<(), MapError> {
        self.before[entry.number() as usize] = self.total(entry.number())?;
        self.trie.insert(&key.of_trie(), entry.0, 0)
    }

    /// Ends a block, from the next packet on.
    ///
    /// # Errors
    /// The kernel's error; one that is not there is gone.
    pub fn remove(&mut self, key: &BlockKey) -> Result<(), MapError> {
        match self.trie.remove(&key.of_trie()) {
            Err(MapError::KeyNotFound) => Ok(()),
            result => result,
        }
    }

    /// Ends the blocks of an earlier run that are not among these.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn keep(&mut self, blocks: &[BlockKey]) -> Result<(), MapError> {
        let all = self.trie.keys().collect::<Result<Vec<_>, _>>()?;
        let is_kept = |key: &Key<BlockEnds>| {
            blocks.iter().any(|block| block.prefix_len == key.prefix_len() && block.ends == key.data())
        };
        for gone in all.iter().filter(|key| !is_kept(key)) {
            self.trie.remove(gone)?;
        }
        Ok(())
    }

    /// Packets of the block with this number since it was put into force.
    ///
    /// # Errors
    /// The kernel's error, which a loaded program does not cause.
    pub fn packets(&self, number: u32) -> Result<u64, MapError> {
        Ok(self.total(number)?.saturating_sub(self.before[number as usize]))
    }

    fn total(&self, number: u32) -> Result<u64, MapError> {
        Ok(self.packets.get(&number, 0)?.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use sensor_common::block::block_ends;

    use super::*;

    #[test]
    fn key_covers_its_addresses_alone() {
        let ends = |first: &str, second: &str| {
            block_ends(&words(first.parse().unwrap()), &words(second.parse().unwrap()))
        };
        let network = BlockKey::of("8.8.4.0/23".parse().unwrap());
        assert!(network.covers(&ends("8.8.5.255", "10.0.0.1")));
        assert!(
            !network.covers(&ends("8.8.6.0", "10.0.0.1")) && !network.covers(&ends("10.0.0.1", "8.8.5.1"))
        );
        assert!(network.covers(&ends("64:ff9b::8.8.5.1", "10.0.0.1")), "inside NAT64");
        let pair = BlockKey::between("10.0.0.1".parse().unwrap(), "2001:db8::/32".parse().unwrap());
        assert!(pair.covers(&ends("10.0.0.1", "2001:db8::7")));
        assert!(
            !pair.covers(&ends("10.0.0.1", "2001:db9::7")) && !pair.covers(&ends("10.0.0.2", "2001:db8::7"))
        );
        assert_eq!(BlockKey::of("0.0.0.0/0".parse().unwrap()).prefix_len(), 96);
    }
}
