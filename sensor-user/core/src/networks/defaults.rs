//! Built-in prefixes, each with its source.

/// A built-in prefix and its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// CIDR notation.
    pub prefix: &'static str,
    /// Name and source in the registry.
    pub source: &'static str,
    /// IANA registry that lists it.
    pub registry: Registry,
}

/// An IANA registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    /// IPv4 and IPv6 Special-Purpose Address Registries.
    SpecialPurpose,
    /// Internet Protocol Version 6 Address Space.
    Ipv6AddressSpace,
}

impl Registry {
    /// Its short name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpecialPurpose => "IANA special-purpose registry",
            Self::Ipv6AddressSpace => "IANA IPv6 address space registry",
        }
    }
}

const fn entry(prefix: &'static str, source: &'static str) -> BuiltIn {
    BuiltIn { prefix, source, registry: Registry::SpecialPurpose }
}

const fn space(prefix: &'static str, source: &'static str) -> BuiltIn {
    BuiltIn { prefix, source, registry: Registry::Ipv6AddressSpace }
}

/// Internal by default: private-use IPv4 and unique local IPv6 addresses.
pub const DEFAULT_INTERNAL: &[BuiltIn] = &[
    entry("10.0.0.0/8", "Private-Use, RFC 1918"),
    entry("172.16.0.0/12", "Private-Use, RFC 1918"),
    entry("192.168.0.0/16", "Private-Use, RFC 1918"),
    entry("fc00::/7", "Unique-Local, RFC 4193"),
];

/// Space that is not the Internet: special-purpose space, and all of IPv6 outside 2000::/3 (global unicast). Inside prefixes that
/// embed an IPv4 address (mapped, NAT64, 6to4, Teredo) the embedded address is classified instead.
pub const RESERVED: &[BuiltIn] = &[
    entry("0.0.0.0/8", "\"This network\", RFC 791"),
    entry("10.0.0.0/8", "Private-Use, RFC 1918"),
    entry("100.64.0.0/10", "Shared Address Space, RFC 6598"),
    entry("127.0.0.0/8", "Loopback, RFC 1122"),
    entry("169.254.0.0/16", "Link Local, RFC 3927"),
    entry("172.16.0.0/12", "Private-Use, RFC 1918"),
    entry("192.0.0.0/24", "IETF Protocol Assignments, RFC 6890"),
    entry("192.0.0.0/29", "IPv4 Service Continuity Prefix, RFC 7335"),
    entry("192.0.0.8/32", "IPv4 dummy address, RFC 7600"),
    entry("192.0.0.9/32", "Port Control Protocol Anycast, RFC 7723"),
    entry("192.0.0.10/32", "TURN Anycast, RFC 8155"),
    entry("192.0.0.170/32", "NAT64/DNS64 Discovery, RFC 7050"),
    entry("192.0.0.171/32", "NAT64/DNS64 Discovery, RFC 7050"),
    entry("192.0.2.0/24", "Documentation (TEST-NET-1), RFC 5737"),
    entry("192.31.196.0/24", "AS112-v4, RFC 7535"),
    entry("192.52.193.0/24", "AMT, RFC 7450"),
    entry("192.88.99.0/24", "Deprecated 6to4 Relay Anycast, RFC 7526"),
    entry("192.168.0.0/16", "Private-Use, RFC 1918"),
    entry("192.175.48.0/24", "Direct Delegation AS112 Service, RFC 7534"),
    entry("198.18.0.0/15", "Benchmarking, RFC 2544"),
    entry("198.51.100.0/24", "Documentation (TEST-NET-2), RFC 5737"),
    entry("203.0.113.0/24", "Documentation (TEST-NET-3), RFC 5737"),
    entry("224.0.0.0/4", "Multicast, RFC 5771"),
    entry("240.0.0.0/4", "Reserved and limited broadcast, RFC 1112, RFC 919"),
    space("::/3", "Not global unicast, RFC 4291"),
    entry("::/128", "Unspecified Address, RFC 4291"),
    entry("::1/128", "Loopback Address, RFC 4291"),
    entry("64:ff9b:1::/48", "Local-Use IPv4/IPv6 Translation, RFC 8215"),
    entry("100::/64", "Discard-Only Address Block, RFC 6666"),
    entry("100:0:0:1::/64", "Dummy IPv6 Prefix, RFC 9780"),
    // IETF Protocol Assignments (RFC 2928) is 2001::/23; these cover all of it except Teredo, 2001::/32.
    entry("2001:1::/32", "IETF Protocol Assignments, RFC 2928"),
    entry("2001:2::/31", "IETF Protocol Assignments, RFC 2928 (Benchmarking, RFC 5180; AMT, RFC 7450)"),
    entry("2001:4::/30", "IETF Protocol Assignments, RFC 2928 (AS112-v6, RFC 7535)"),
    entry("2001:8::/29", "IETF Protocol Assignments, RFC 2928"),
    entry("2001:10::/28", "Deprecated (ORCHID), RFC 4843"),
    entry("2001:20::/27", "IETF Protocol Assignments, RFC 2928 (ORCHIDv2, RFC 7343; DRIP, RFC 9374)"),
    entry("2001:40::/26", "IETF Protocol Assignments, RFC 2928"),
    entry("2001:80::/25", "IETF Protocol Assignments, RFC 2928"),
    entry("2001:100::/24", "IETF Protocol Assignments, RFC 2928"),
    entry("2001:db8::/32", "Documentation, RFC 3849"),
    entry("2620:4f:8000::/48", "Direct Delegation AS112 Service, RFC 7534"),
    entry("3fff::/20", "Documentation, RFC 9637"),
    space("4000::/2", "Not global unicast, RFC 4291"),
    entry("5f00::/16", "Segment Routing (SRv6) SIDs, RFC 9602"),
    space("8000::/1", "Not global unicast, RFC 4291"),
    entry("fc00::/7", "Unique-Local, RFC 4193"),
    entry("fe80::/10", "Link-Local Unicast, RFC 4291"),
    space("fec0::/10", "Deprecated (Site-Local), RFC 3879"),
    entry("ff00::/8", "Multicast, RFC 4291"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ipnet::IpNet;
    use sensor_common::prefix::PrefixFlags;

    use super::*;
    use crate::networks::{PrefixSet, fixtures::flagged};

    #[test]
    fn every_built_in_prefix_is_canonical_and_listed_once() {
        for table in [DEFAULT_INTERNAL, RESERVED] {
            let mut seen = HashSet::new();
            for entry in table {
                let net: IpNet = entry.prefix.parse().unwrap();
                assert_eq!(net, net.trunc(), "{}", entry.prefix);
                assert!(seen.insert(net), "{} is listed twice", entry.prefix);
            }
        }
    }

    #[test]
    fn destinations_excluded_by_the_source_rules_are_reserved() {
        let excluded = "10.0.0.0/8 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29 192.0.0.8/32 \
            192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 \
            192.168.0.0/16 192.88.99.0/24 224.0.0.0/4 100.64.0.0/10 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 \
            203.0.113.0/24 240.0.0.0/4 ::1/128 fe80::/10 ff00::/8";
        for prefix in excluded.split_whitespace() {
            assert!(RESERVED.iter().any(|entry| entry.prefix == prefix), "{prefix} is missing");
        }
    }

    #[test]
    fn special_purpose_registries_are_reserved_except_embedded_ipv4() {
        // Address blocks of the IANA IPv6 special-purpose registry, an address of each.
        let reserved = "::1 :: 64:ff9b:1::1 100::1 100:0:0:1::1 2001:1::1 2001:1::2 2001:1::3 2001:2::1 2001:3::1 \
            2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff::1 2001:db8::1 2620:4f:8000::1 3fff::1 5f00::1 fc00::1 fe80::1";
        let set = PrefixSet::new(flagged(RESERVED, PrefixFlags::RESERVED));
        let outside =
            "fec0::1 feff::1 ::2 1fff::1 4000::1 5eff::1 6000::1 8000::1 c000::1 e000::1 fbff::1 200::1";
        for address in outside.split_whitespace() {
            assert_eq!(set.lookup(address.parse().unwrap()), PrefixFlags::RESERVED, "{address}");
        }
        for address in reserved.split_whitespace() {
            let flags = set.lookup(address.parse().unwrap());
            assert_eq!(flags, PrefixFlags::RESERVED, "{address}");
        }
        for address in
            ["2001:0:1::1", "2002::1", "2001:200::1", "2001:4860::1", "2620:4f:8001::1", "2000::1", "3ffe::1"]
        {
            assert_eq!(set.lookup(address.parse().unwrap()), Default::default(), "{address}");
        }
    }
}
