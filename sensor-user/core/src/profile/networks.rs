//! The networks of a profile, each with its origin.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use sensor_common::{classify::Place, prefix::PrefixFlags};

use super::{Networks, Profile, ProfileName, Settings};
use crate::networks::{BuiltIn, DEFAULT_INTERNAL, RESERVED, Registry, inner_ipv4};

/// A network, its meaning, and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Network.
    pub net: IpNet,
    /// [`PrefixFlags::INTERNAL`] or [`PrefixFlags::RESERVED`].
    pub flags: PrefixFlags,
    /// Its origin.
    pub origin: Origin,
}

/// Where a network comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in, internal by default, with its name and RFC.
    Default(&'static str),
    /// In an IANA registry, with its name and RFC.
    Registry(Registry, &'static str),
    /// In a list of a profile's rules.
    List(ProfileName, &'static str),
    /// In the configuration, with the place: file and line, or the option of the command line.
    Configured(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(source) => write!(f, "{source}; internal by default (networks.defaults)"),
            Self::Registry(registry, source) => write!(f, "{source}; {}", registry.name()),
            Self::List(profile, list) => write!(f, "list {list} of {profile}"),
            Self::Configured(place) => f.write_str(place),
        }
    }
}

/// The networks of a profile under its settings.
#[must_use]
pub fn entries(profile: &Profile, settings: &Settings) -> Vec<Entry> {
    match profile.networks {
        Networks::Fixed { internal, not_internet } => {
            let list = |prefixes: &'static [&'static str], flags, name| {
                let entry = move |net| Entry { net, flags, origin: Origin::List(profile.name, name) };
                prefixes.iter().filter_map(|prefix| prefix.parse().ok()).map(entry)
            };
            list(internal, PrefixFlags::INTERNAL, "INTERNAL")
                .chain(list(not_internet, PrefixFlags::RESERVED, "NOT-INTERNET"))
                .collect()
        }
        Networks::Configured { reserved } => {
            let built_in = |table: &'static [BuiltIn], flags, origin: fn(&BuiltIn) -> Origin| {
                table.iter().filter_map(move |entry| {
                    Some(Entry { net: entry.prefix.parse().ok()?, flags, origin: origin(entry) })
                })
            };
            let registry = if reserved { RESERVED } else { &[] };
            let defaults = if settings.default_networks { DEFAULT_INTERNAL } else { &[] };
            let named = settings.internal.iter().map(|(net, place)| Entry {
                net: net.trunc(),
                flags: PrefixFlags::INTERNAL,
                origin: Origin::Configured(place.clone()),
            });
            built_in(registry, PrefixFlags::RESERVED, |entry| Origin::Registry(entry.registry, entry.source))
                .chain(built_in(defaults, PrefixFlags::INTERNAL, |entry| Origin::Default(entry.source)))
                .chain(named)
                .collect()
        }
    }
}

/// How an IPv6 address contains an IPv4 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embedding {
    /// `::ffff:0:0/96`
    Mapped,
    /// `64:ff9b::/96`
    Nat64,
    /// `2002::/16`
    SixToFour,
    /// `2001::/32`
    Teredo,
}

impl Embedding {
    /// The form, with the standard that defines it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mapped => "IPv4-mapped, RFC 4291 2.5.5.2",
            Self::Nat64 => "NAT64, RFC 6052 2.1",
            Self::SixToFour => "6to4, RFC 3056 2",
            Self::Teredo => "Teredo client, RFC 4380 4",
        }
    }

    /// The IPv4 address inside `address`, as the kernel program finds it.
    #[must_use]
    pub fn of(address: Ipv6Addr) -> Option<(Self, Ipv4Addr)> {
        let inner = inner_ipv4(address)?;
        let form = match address.segments()[0] {
            0 => Self::Mapped,
            0x64 => Self::Nat64,
            0x2002 => Self::SixToFour,
            _ => Self::Teredo,
        };
        Some((form, inner))
    }
}

/// The place of an address in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// Where it belongs.
    pub place: Place,
    /// The network that decides, if any covers it.
    pub by: Option<&'a Entry>,
    /// Others that cover it without deciding, the longest first.
    pub beats: Vec<&'a Entry>,
    /// The IPv4 address inside that was classified as well, and its form.
    pub embedded: Option<(Embedding, Ipv4Addr)>,
}

/// Finds `address` in `entries`; `unwraps` as in [`Profile::unwraps`].
#[must_use]
pub fn place(entries: &[Entry], unwraps: bool, address: IpAddr) -> Placed<'_> {
    let embedded = match address {
        IpAddr::V6(address) => {
            Embedding::of(address).filter(|(form, _)| unwraps || *form == Embedding::Mapped)
        }
        IpAddr::V4(_) => None,
    };
    // Only the embedded address decides whether an address is reserved.
    let outer = |entry: &&Entry| embedded.is_none() || Place::of(entry.flags) != Place::Reserved;
    let covers = |entry: &&Entry| {
        entry.net.contains(&address) && outer(entry)
            || embedded.is_some_and(|(_, inner)| entry.net.contains(&IpAddr::V4(inner)))
    };
    let mut covering: Vec<&Entry> = entries.iter().filter(covers).collect();
    // Internal beats reserved, then the longer beats the shorter; IPv4 prefixes of an embedded address are 96 bits longer.
    let length = |net: IpNet| u16::from(net.prefix_len()) + if net.addr().is_ipv4() { 96 } else { 0 };
    let rank =
        |entry: &&Entry| (Place::of(entry.flags) != Place::Internal, std::cmp::Reverse(length(entry.net)));
    covering.sort_by_key(rank);
    let mut covering = covering.into_iter();
    let by = covering.next();
    Placed {
        place: by.map_or(Place::External, |entry| Place::of(entry.flags)),
        by,
        beats: covering.collect(),
        embedded,
    }
}
