//! Tables on the top bits of an address, which answer most prefix lookups before the tries.
//!
//! Most of the address space is uniform: all addresses with the same top bits have the same answer, which takes two bits.
//! IPv4: a table has the answer of every /24; a mixed /24 may have a leaf with the answer of every address.
//! IPv6: a table by the top 16 bits has the answer or names a block, and a block has the answer of every /32.
//! The trie is read only for ranges that are still mixed, or whose answer has unusual flags.

use crate::{headers::Address, prefix::PrefixFlags};

/// Answers in a 64-bit word.
pub const ANSWERS_OF_WORD: usize = 32;

/// 64-bit words of the IPv4 table: 2^24 answers, 4 MiB.
pub const TABLE_V4_WORDS: usize = (1 << 24) / ANSWERS_OF_WORD;

/// The IPv4 table of one view.
pub type TableV4 = [u64; TABLE_V4_WORDS];

/// A leaf: the answers of the 256 addresses of a /24, one cache line.
pub type Leaf = [u64; 256 / ANSWERS_OF_WORD];

/// Entries of the first IPv6 table.
pub const TOP_ENTRIES: u32 = 1 << 16;

/// The first IPv6 tables of both views, one after the other.
pub type TopsV6 = [u32; 2 * TOP_ENTRIES as usize];

/// 64-bit words of an IPv6 block: 65,536 answers of two bits.
pub const BLOCK_V6_WORDS: u32 = 2_048;

/// An answer of two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Answer {
    /// No prefix covers it.
    Nothing = 0,
    /// Internal, even if also listed as reserved.
    Internal = 1,
    /// Reserved.
    Reserved = 2,
    /// Ask the trie.
    Walk = 3,
}

impl Answer {
    /// The low two bits of `bits`.
    #[inline(always)]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Nothing,
            1 => Self::Internal,
            2 => Self::Reserved,
            _ => Self::Walk,
        }
    }

    /// The answer for `flags`: [`Walk`](Self::Walk) unless two bits can express them.
    #[must_use]
    pub const fn of(flags: PrefixFlags) -> Self {
        let plain = PrefixFlags::INTERNAL.union(PrefixFlags::RESERVED).0;
        if flags.0 == 0 {
            Self::Nothing
        } else if flags.0 | plain != plain {
            Self::Walk
        } else if flags.contains(PrefixFlags::INTERNAL) {
            Self::Internal
        } else {
            Self::Reserved
        }
    }

    /// The flags, or `None` if the trie must be asked.
    #[inline(always)]
    #[must_use]
    pub const fn flags(self) -> Option<PrefixFlags> {
        match self {
            Self::Nothing => Some(PrefixFlags::NONE),
            Self::Internal => Some(PrefixFlags::INTERNAL),
            Self::Reserved => Some(PrefixFlags::RESERVED),
            Self::Walk => None,
        }
    }
}

/// An entry of the first IPv6 table: an [`Answer`] below 4, else the number of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// The same answer for all addresses below.
    Uniform(Answer),
    /// See this block.
    Block(u32),
}

impl Top {
    /// Reads an entry.
    #[inline(always)]
    #[must_use]
    pub const fn from_entry(entry: u32) -> Self {
        if entry < 4 { Self::Uniform(Answer::from_bits(entry as u64)) } else { Self::Block(entry - 4) }
    }

    /// The entry to store.
    #[must_use]
    pub const fn entry(self) -> u32 {
        match self {
            Self::Uniform(answer) => answer as u32,
            Self::Block(number) => number + 4,
        }
    }
}

/// Position of the /24 of an IPv4 address (host order): word of the table, shift in that word.
#[inline(always)]
#[must_use]
pub const fn place_v4(address: u32) -> (usize, u32) {
    ((address >> 13) as usize, (address >> 8 & 31) * 2)
}

/// Position of an IPv4 address (host order) in the leaf of its /24, likewise.
#[inline(always)]
#[must_use]
pub const fn place_in_leaf(address: u32) -> (usize, u32) {
    ((address >> 5 & 7) as usize, (address & 31) * 2)
}

/// Position of an IPv6 address (wire order): entry of the first table, word of a block, shift in that word.
#[inline(always)]
#[must_use]
pub const fn place_v6(address: &Address) -> (u32, u32, u32) {
    let first = u32::from_be(address[0]);
    let second = first & 0xFFFF;
    (first >> 16, second >> 5, (second & 31) * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_being_stored() {
        for top in
            [Top::Uniform(Answer::Nothing), Top::Uniform(Answer::Walk), Top::Block(0), Top::Block(65_535)]
        {
            assert_eq!(Top::from_entry(top.entry()), top);
        }
    }

    #[test]
    fn unusual_flags_are_left_to_the_trie() {
        let both = PrefixFlags::INTERNAL.union(PrefixFlags::RESERVED);
        assert_eq!(Answer::of(both), Answer::Internal);
        assert_eq!(Answer::of(PrefixFlags::RESERVED), Answer::Reserved);
        assert_eq!(Answer::of(PrefixFlags::NONE), Answer::Nothing);
        assert_eq!(Answer::of(both.union(PrefixFlags::EXEMPT_SOURCE)), Answer::Walk);
        assert_eq!(Answer::of(PrefixFlags::THREAT), Answer::Walk);
    }

    #[test]
    fn addresses_are_placed_by_their_top_bits() {
        let v4 = u32::from_be_bytes([10, 20, 33, 40]);
        assert_eq!(place_v4(v4), (0x0A14 << 3 | 1, 2));
        assert_eq!(place_in_leaf(v4), (1, 16));
        let v6 = [0x2001_0DB8u32.to_be(), 0, 0, 0];
        assert_eq!(place_v6(&v6), (0x2001, 0x0DB8 >> 5, (0x0DB8 & 31) * 2));
    }
}
