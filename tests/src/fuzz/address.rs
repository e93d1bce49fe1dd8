//! Addresses near the edges of the configured networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use sensor_core::networks::{DEFAULT_INTERNAL, RESERVED};

use super::options::INTERNAL;
use crate::random::Xorshift;

/// On the Internet, whatever networks are internal.
const EXTERNAL: [&str; 4] = ["8.8.4.0/24", "9.9.9.9/32", "2001:4860:4860::/64", "2620:fe::/48"];

/// An address of a family: mostly one of a few, so that flows repeat, and often the first, the last or a neighbour of a network.
#[must_use]
pub fn any(random: &mut Xorshift, wide: bool) -> IpAddr {
    let network = match random.below(10) {
        0..=2 => random.pick(&EXTERNAL),
        3..=5 => DEFAULT_INTERNAL[random.below(DEFAULT_INTERNAL.len())].prefix,
        6 | 7 => random.pick(&INTERNAL),
        _ => RESERVED[random.below(RESERVED.len())].prefix,
    };
    let inside = match network.parse::<IpNet>() {
        Ok(network) => in_or_beside(random, network),
        Err(_) => IpAddr::V4(Ipv4Addr::from(random.next() as u32)),
    };
    match (inside, wide) {
        (IpAddr::V4(_), false) | (IpAddr::V6(_), true) => inside,
        (IpAddr::V4(inside), true) => embedding(random, inside).into(),
        (IpAddr::V6(_), false) => Ipv4Addr::from(0x0A00_0000 | random.next() as u32 & 3).into(),
    }
}

/// An address in a network, or the one before or after it.
#[must_use]
pub fn in_or_beside(random: &mut Xorshift, network: IpNet) -> IpAddr {
    let step = random.below(4) as u128;
    let far = u128::from(random.next()) << 64 | u128::from(random.next());
    let mut within = |first: u128, last: u128| match random.below(8) {
        0 => first,
        1 => last,
        2 => first.wrapping_sub(1),
        3 => last.wrapping_add(1),
        4 => first + far % (last - first).saturating_add(1),
        _ => first.saturating_add(step).min(last),
    };
    match network {
        IpNet::V4(net) => {
            let bits = |address: Ipv4Addr| u128::from(u32::from(address));
            Ipv4Addr::from(within(bits(net.network()), bits(net.broadcast())) as u32).into()
        }
        IpNet::V6(net) => Ipv6Addr::from(within(net.network().into(), net.broadcast().into())).into(),
    }
}

/// An IPv6 address with this one inside: mapped, NAT64, 6to4, Teredo; or with it in a meaningless place.
#[must_use]
pub fn embedding(random: &mut Xorshift, inside: Ipv4Addr) -> Ipv6Addr {
    let bits = u128::from(u32::from(inside));
    let inverted = u128::from(!u32::from(inside));
    let other = u128::from(random.next());
    Ipv6Addr::from(match random.below(6) {
        0 => 0xFFFF << 32 | bits,
        1 => 0x0064_FF9B << 96 | bits,
        2 => 0x2002 << 112 | bits << 80 | other,
        3 => 0x2001_0000 << 96 | (other & 0xFFFF_FFFF) << 64 | inverted,
        4 => bits,
        _ => 0x0064_FF9B << 96 | 1 << 64 | bits,
    })
}
