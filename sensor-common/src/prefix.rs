//! What a prefix in the kernel's tries says of an address: a set of flags.

/// Flags of one stored prefix. The agent flattens: a stored prefix carries the union of every prefix that covers it,
/// because a trie answers with the longest match only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct PrefixFlags(pub u32);

impl PrefixFlags {
    /// No prefix covers the address.
    pub const NONE: Self = Self(0);
    /// One of the customer's own networks.
    pub const INTERNAL: Self = Self(1);
    /// Special-purpose space (IANA special-purpose address registries): not the Internet.
    pub const RESERVED: Self = Self(1 << 1);
    /// Known safe as a client.
    pub const EXEMPT_SOURCE: Self = Self(1 << 2);
    /// Known safe as a server.
    pub const EXEMPT_DESTINATION: Self = Self(1 << 3);
    /// On a threat list.
    pub const THREAT: Self = Self(1 << 4);

    /// Whether every flag of `other` is set.
    #[inline(always)]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[inline(always)]
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
