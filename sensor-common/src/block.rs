//! Blocks: hosts, networks and pairs of them whose packets the kernel program drops.
//!
//! [`PrefixFlags::BLOCKED`](crate::prefix::PrefixFlags::BLOCKED) marks the addresses that a block may concern. Only packets of
//! such an address are looked up, in an LPM trie by both addresses.

use crate::{classify::embedded_ipv4, slot::Address};

/// Numbers of blocks. They begin with 1.
pub const MAX_BLOCKS: u32 = 256;

/// Addresses of a packet, or the beginning of them in a stored block: that of a host or a network, or that of a pair. An IPv4
/// address is the last word of four.
pub type BlockEnds = [u32; 8];

/// Bits of both.
pub const BLOCK_BITS: u32 = 256;

/// Both addresses of a packet in this order. An IPv4 address inside an IPv6 one counts as that IPv4 address.
#[inline(always)]
#[must_use]
pub const fn block_ends(first: &Address, second: &Address) -> BlockEnds {
    let ([a, b, c, d], [e, f, g, h]) = (inner(first), inner(second));
    [a, b, c, d, e, f, g, h]
}

#[inline(always)]
const fn inner(address: &Address) -> Address {
    match embedded_ipv4(address) {
        Some(inner) => [0, 0, 0, inner],
        None => *address,
    }
}

/// What is stored for a block: the number under which its packets are counted, and whether they are counted alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEntry(pub u32);

impl BlockEntry {
    /// No block.
    pub const NONE: Self = Self(0);

    /// The bit of a block whose packets pass and are counted.
    const DRY: u32 = 1 << 31;

    /// Block `number`, from 1 on and below [`MAX_BLOCKS`].
    #[must_use]
    pub const fn new(number: u32, is_dry: bool) -> Self {
        Self(number | if is_dry { Self::DRY } else { 0 })
    }

    /// Its number.
    #[inline(always)]
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 % MAX_BLOCKS
    }

    /// Whether its packets pass.
    #[inline(always)]
    #[must_use]
    pub const fn is_dry(self) -> bool {
        self.0 & Self::DRY != 0
    }
}
