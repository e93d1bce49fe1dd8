//! The built-in networks as a prefix set, for tests.

use ipnet::IpNet;
use sensor_common::prefix::PrefixFlags;

use super::{BuiltIn, DEFAULT_INTERNAL, PrefixSet, RESERVED};

/// A built-in table, each prefix with these flags.
pub(crate) fn flagged(
    table: &'static [BuiltIn],
    flags: PrefixFlags,
) -> impl Iterator<Item = (IpNet, PrefixFlags)> {
    table.iter().map(move |entry| (entry.prefix.parse().unwrap(), flags))
}

/// The built-in networks, and these as internal ones.
pub(crate) fn built_in(internal: &[&str]) -> PrefixSet {
    let internal = internal.iter().map(|net| (net.parse().unwrap(), PrefixFlags::INTERNAL));
    PrefixSet::new(
        flagged(RESERVED, PrefixFlags::RESERVED)
            .chain(flagged(DEFAULT_INTERNAL, PrefixFlags::INTERNAL))
            .chain(internal),
    )
}
