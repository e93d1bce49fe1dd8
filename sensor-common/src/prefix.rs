//! What a prefix in the kernel's tries says of an address: a set of flags.

/// Flags of one stored prefix. The agent flattens: a stored prefix carries the union of every prefix that covers it,
/// because a trie answers with the longest match only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct PrefixFlags(pub u64);

/// Pairs of an exempt client with an exempt server that flags can tell apart. Further pairs share bits.
pub const PAIRS: u32 = 28;

const PAIR_CLIENT_SHIFT: u32 = 8;
const PAIR_SERVER_SHIFT: u32 = PAIR_CLIENT_SHIFT + PAIRS;

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

    /// The client of exempt pair number `pair`.
    #[must_use]
    pub const fn pair_client(pair: u32) -> Self {
        Self(1 << (PAIR_CLIENT_SHIFT + pair % PAIRS))
    }

    /// The server of exempt pair number `pair`.
    #[must_use]
    pub const fn pair_server(pair: u32) -> Self {
        Self(1 << (PAIR_SERVER_SHIFT + pair % PAIRS))
    }

    /// Whether a client with these flags and a `server` with those are an exempt pair. With more than [`PAIRS`] pairs it
    /// may say so of two that belong to different ones, never the reverse.
    #[inline(always)]
    #[must_use]
    pub const fn is_pair_with(self, server: Self) -> bool {
        let bits = (1 << PAIRS) - 1;
        (self.0 >> PAIR_CLIENT_SHIFT) & (server.0 >> PAIR_SERVER_SHIFT) & bits != 0
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_a_client_and_a_server_of_the_same_number_in_their_own_roles() {
        let (client, server) = (PrefixFlags::pair_client(3), PrefixFlags::pair_server(3));
        assert!(client.is_pair_with(server));
        assert!(!server.is_pair_with(client) && !client.is_pair_with(client));
        assert!(!client.is_pair_with(PrefixFlags::pair_server(4)));
        assert!(!PrefixFlags::INTERNAL.is_pair_with(server));
    }

    #[test]
    fn no_pair_touches_the_other_flags() {
        for pair in 0..PAIRS {
            assert_eq!(PrefixFlags::pair_client(pair).0 & 0xFF, 0);
            assert_eq!(PrefixFlags::pair_server(pair).0 & 0xFF, 0);
        }
    }
}
