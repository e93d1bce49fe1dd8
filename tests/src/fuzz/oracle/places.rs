//! The place of an address, checked against each network one by one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use sensor_core::networks::{DEFAULT_INTERNAL, RESERVED};
use sensor_user::config::Config;

/// The place of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Internal,
    Reserved,
    External,
}

/// The networks.
pub(super) struct Places {
    internal: Vec<IpNet>,
    reserved: Vec<IpNet>,
}

impl Places {
    pub(super) fn new(config: &Config) -> Self {
        let read = |text: &str| text.parse::<IpNet>().ok();
        let defaults = DEFAULT_INTERNAL.iter().filter(|_| config.default_networks);
        let mut internal: Vec<IpNet> = defaults.filter_map(|entry| read(entry.prefix)).collect();
        internal.extend(&config.internal);
        Self { internal, reserved: RESERVED.iter().filter_map(|entry| read(entry.prefix)).collect() }
    }

    /// Whether an address, or the IPv4 address inside it, is in one of these networks.
    pub(super) fn among(networks: &[IpNet], address: IpAddr) -> bool {
        let both = [Some(address), embedded(address).map(IpAddr::V4)];
        both.iter().flatten().any(|address| networks.iter().any(|network| network.contains(address)))
    }

    /// Place of an address or of the IPv4 address inside it; internal beats reserved. If there is an IPv4 address inside, only that
    /// one can be reserved.
    pub(super) fn of(&self, address: IpAddr) -> Place {
        if Self::among(&self.internal, address) {
            Place::Internal
        } else if Self::among(&self.reserved, embedded(address).map_or(address, IpAddr::V4)) {
            Place::Reserved
        } else {
            Place::External
        }
    }
}

/// The IPv4 address inside an IPv6 one: mapped (RFC 4291 2.5.5.2), NAT64 (RFC 6052 2.1), 6to4 (RFC 3056 2), or that of
/// a Teredo client, which is written inverted (RFC 4380 4).
pub(in crate::fuzz) fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        (0x0064, 0xFF9B) if [c, d, e, f] == [0; 4] => Some(of(g, h)),
        (0x2002, _) => Some(of(b, c)),
        (0x2001, 0) => Some(of(!g, !h)),
        _ => Ipv6Addr::to_ipv4_mapped(&address),
    }
}
