//! Prefix flags: the properties that a prefix in the kernel's tries gives an address.

/// Flags of one stored prefix. The agent flattens prefixes: each stored one carries the union of all that cover it,
/// because a trie answers with the longest match only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct PrefixFlags(pub u64);

/// Pairs of an exempt client and an exempt server that the flags distinguish. Further pairs share bits.
pub const PAIRS: u32 = 28;

/// Exemptions that the kernel counts one by one in each view. Number 0 counts all others together.
pub const EXEMPTION_COUNTERS: u32 = 1_024;

const PAIR_BITS: u64 = (1 << PAIRS) - 1;

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
    /// As a client it may be exempt, and only the agent can decide: its packets are kept and never dropped.
    pub const MAYBE_EXEMPT_SOURCE: Self = Self(1 << 5);
    /// As a server, likewise.
    pub const MAYBE_EXEMPT_DESTINATION: Self = Self(1 << 6);

    /// A block may concern it: its packets are looked up.
    pub const BLOCKED: Self = Self(1 << 7);

    /// The same flags with the number of the exemption to count ([`EXEMPTION_COUNTERS`]), in place of the client's pairs: a client that is
    /// [`EXEMPT_SOURCE`](Self::EXEMPT_SOURCE) needs no pair.
    #[must_use]
    pub const fn counted_as_source(self, counter: u32) -> Self {
        Self(
            self.0 & !(PAIR_BITS << PAIR_CLIENT_SHIFT)
                | ((counter % EXEMPTION_COUNTERS) as u64) << PAIR_CLIENT_SHIFT,
        )
    }

    /// The same for [`EXEMPT_DESTINATION`](Self::EXEMPT_DESTINATION) and the server's pairs.
    #[must_use]
    pub const fn counted_as_destination(self, counter: u32) -> Self {
        Self(
            self.0 & !(PAIR_BITS << PAIR_SERVER_SHIFT)
                | ((counter % EXEMPTION_COUNTERS) as u64) << PAIR_SERVER_SHIFT,
        )
    }

    /// The same flags as stored in a view: the numbers of view 1 follow those of view 0, so the packet path need not remember
    /// which view it read.
    #[must_use]
    pub const fn in_view(self, view: u32) -> Self {
        let mut flags = self.0;
        let behind = (view * EXEMPTION_COUNTERS) as u64;
        if self.contains(Self::EXEMPT_SOURCE) {
            flags += behind << PAIR_CLIENT_SHIFT;
        }
        if self.contains(Self::EXEMPT_DESTINATION) {
            flags += behind << PAIR_SERVER_SHIFT;
        }
        Self(flags)
    }

    /// The number that [`counted_as_source`](Self::counted_as_source) gave, in its view.
    #[inline(always)]
    #[must_use]
    pub const fn source_counter(self) -> u32 {
        (self.0 >> PAIR_CLIENT_SHIFT) as u32 % (2 * EXEMPTION_COUNTERS)
    }

    /// The number that [`counted_as_destination`](Self::counted_as_destination) gave, in its view.
    #[inline(always)]
    #[must_use]
    pub const fn destination_counter(self) -> u32 {
        (self.0 >> PAIR_SERVER_SHIFT) as u32 % (2 * EXEMPTION_COUNTERS)
    }

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

    /// Whether a client with these flags and a `server` with those are an exempt pair. With more than [`PAIRS`] pairs it may say
    /// yes for two ends of different pairs, but never no for a true pair.
    #[inline(always)]
    #[must_use]
    pub const fn is_pair_with(self, server: Self) -> bool {
        (self.0 >> PAIR_CLIENT_SHIFT) & (server.0 >> PAIR_SERVER_SHIFT) & PAIR_BITS != 0
    }

    /// The flags of an address combined with those of the IPv4 address `inner` inside it. Only the inner one decides whether they are
    /// reserved. If both have a number to count, the outer one wins.
    #[inline(always)]
    #[must_use]
    pub const fn with_embedded(self, inner: Self) -> Self {
        let (mut outer, mut inner) = (self.0 & !Self::RESERVED.0, inner.0);
        let roles = [
            (Self::EXEMPT_SOURCE.0, PAIR_BITS << PAIR_CLIENT_SHIFT),
            (Self::EXEMPT_DESTINATION.0, PAIR_BITS << PAIR_SERVER_SHIFT),
        ];
        let mut at = 0;
        while at < roles.len() {
            let (exempt, number) = roles[at];
            if outer & exempt != 0 {
                inner &= !number;
            } else if inner & exempt != 0 {
                outer &= !number;
            }
            at += 1;
        }
        Self(outer | inner)
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
    fn pair_is_a_client_and_a_server_with_the_same_number() {
        let (client, server) = (PrefixFlags::pair_client(3), PrefixFlags::pair_server(3));
        assert!(client.is_pair_with(server));
        assert!(!server.is_pair_with(client) && !client.is_pair_with(client));
        assert!(!client.is_pair_with(PrefixFlags::pair_server(4)));
        assert!(!PrefixFlags::INTERNAL.is_pair_with(server));
    }

    #[test]
    fn counter_number_uses_the_bits_of_the_pairs_of_its_role() {
        let both =
            PrefixFlags::EXEMPT_SOURCE.union(PrefixFlags::pair_client(27)).union(PrefixFlags::pair_server(3));
        let counted = both.counted_as_source(1_023);
        assert_eq!((counted.source_counter(), counted.contains(PrefixFlags::EXEMPT_SOURCE)), (1_023, true));
        assert!(PrefixFlags::pair_client(3).is_pair_with(counted), "its pairs as a server are untouched");
        assert_eq!(both.counted_as_destination(7).destination_counter(), 7);
        assert_eq!(counted.in_view(1).source_counter(), 2_047);
        assert_eq!(PrefixFlags::pair_client(3).in_view(1), PrefixFlags::pair_client(3));
        let (outer, inner) = (both.counted_as_source(3), both.counted_as_source(4));
        assert_eq!(outer.with_embedded(inner).source_counter(), 3);
        assert_eq!(PrefixFlags::pair_client(9).with_embedded(inner).source_counter(), 4);
        assert_eq!(PrefixFlags::INTERNAL.with_embedded(PrefixFlags::THREAT).0, 1 | 1 << 4);
        assert_eq!(PrefixFlags::RESERVED.with_embedded(PrefixFlags::NONE), PrefixFlags::NONE);
        assert_eq!(PrefixFlags::NONE.with_embedded(PrefixFlags::RESERVED), PrefixFlags::RESERVED);
    }

    #[test]
    fn pairs_leave_the_other_flags_alone() {
        for pair in 0..PAIRS {
            assert_eq!(PrefixFlags::pair_client(pair).0 & 0xFF, 0);
            assert_eq!(PrefixFlags::pair_server(pair).0 & 0xFF, 0);
        }
    }
}
