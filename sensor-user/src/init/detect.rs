//! The interfaces of this machine: their addresses, and which of them leads to the Internet.

use std::{io, net::IpAddr};

use ipnet::IpNet;
use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use sensor_common::prefix::PrefixFlags;

use crate::{
    config::Config,
    kernel::{interface::Interface, rtnetlink},
    plan,
};

/// Beginnings of the names of interfaces that container engines and hypervisors make for their guests.
const OF_GUESTS: [&str; 8] = ["docker", "br-", "veth", "virbr", "vnet", "cni", "cali", "lxc"];

/// An interface that can be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    /// Its addresses with their networks; link-local ones are left out.
    pub(super) addresses: Vec<IpNet>,
    pub(super) is_up: bool,
    /// It has the default route.
    pub(super) is_outer: bool,
}

/// All interfaces that can be watched, by name; loopback is none of them.
///
/// # Errors
/// If the kernel does not list them.
pub(super) fn interfaces() -> io::Result<Vec<Found>> {
    let outer = rtnetlink::default_route_interfaces()?;
    let entries: Vec<_> = getifaddrs()?.collect();
    let mut found: Vec<_> = Interface::names()
        .iter()
        .filter_map(|name| Interface::named(name).ok())
        .map(|interface| {
            let own = || entries.iter().filter(|entry| entry.interface_name == interface.name);
            Found {
                addresses: own().filter_map(address).collect(),
                is_up: own().any(|entry| entry.flags.contains(InterfaceFlags::IFF_UP)),
                is_outer: outer.contains(&interface.index),
                name: interface.name,
            }
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// The interfaces that are there and cannot be watched, with the reason for each: `: NAME (REASON), …`.
pub(super) fn unusable() -> String {
    let reasons: Vec<_> = Interface::names()
        .iter()
        .filter_map(|name| Some(format!("{name} ({})", Interface::named(name).err()?)))
        .collect();
    if reasons.is_empty() {
        " (there is only loopback)".to_owned()
    } else {
        format!(": {}", reasons.join(", "))
    }
}

fn address(entry: &nix::ifaddrs::InterfaceAddress) -> Option<IpNet> {
    let (address, mask) = (entry.address?, entry.netmask?);
    let ip = |storage: nix::sys::socket::SockaddrStorage| {
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    let (address, mask) = (ip(address)?, ip(mask)?);
    if matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()) {
        return None;
    }
    IpNet::with_netmask(address, mask).ok()
}

/// The interfaces to watch: on a gateway those of the inner side, on a host its network card.
pub(super) fn proposed(found: &[Found]) -> Vec<String> {
    let names = |which: &&dyn Fn(&Found) -> bool| -> Vec<String> {
        found.iter().filter(|one| which(one)).map(|one| one.name.clone()).collect()
    };
    let is_for_guests = |one: &Found| OF_GUESTS.iter().any(|beginning| one.name.starts_with(beginning));
    let ways: [&dyn Fn(&Found) -> bool; 4] = [
        &|one| one.is_up && !one.is_outer && !one.addresses.is_empty() && !is_for_guests(one),
        &|one| one.is_outer,
        &|one| one.is_up,
        &|_| true,
    ];
    ways.iter().map(names).find(|names| !names.is_empty()).unwrap_or_default()
}

/// What is internal on the watched interfaces and not so by default. Strangers may be on the network of the outer interface, so only
/// its own addresses are.
pub(super) fn internal(found: &[Found], is_watched: impl Fn(&str) -> bool) -> Vec<IpNet> {
    let defaults = plan::prefixes(&Config::default());
    let is_known = |net: &IpNet| defaults.lookup(net.addr()).contains(PrefixFlags::INTERNAL);
    let mut networks: Vec<_> = found
        .iter()
        .filter(|one| is_watched(&one.name))
        .flat_map(|one| one.addresses.iter().filter(|net| !is_known(net)).map(|net| own(net, one.is_outer)))
        .collect();
    networks.sort_unstable();
    networks.dedup();
    networks
}

/// The address alone, or its network.
fn own(net: &IpNet, is_outer: bool) -> IpNet {
    if is_outer { net.addr().into() } else { net.trunc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, addresses: &[&str], is_outer: bool) -> Found {
        let addresses = addresses.iter().map(|net| net.parse().unwrap()).collect();
        Found { name: name.to_owned(), addresses, is_up: true, is_outer }
    }

    #[test]
    fn proposes_the_inner_side_of_a_gateway_and_the_card_of_a_host() {
        let wan = found("wan0", &["8.8.4.1/24"], true);
        let lan = found("lan0", &["10.0.0.1/24"], false);
        let docker = found("docker0", &["172.17.0.1/16"], false);
        let unused = Found { is_up: false, ..found("eth9", &["10.9.0.1/24"], false) };
        assert_eq!(proposed(&[docker.clone(), unused.clone(), lan, wan.clone()]), ["lan0"]);
        assert_eq!(proposed(&[docker, unused.clone(), wan]), ["wan0"]);
        assert_eq!(proposed(&[unused]), ["eth9"], "nothing else is there");
    }

    #[test]
    fn public_networks_of_watched_interfaces_are_internal() {
        let lan = found("lan0", &["10.0.0.1/24", "198.51.100.1/25", "2001:db8:7::1/64", "fd00::1/64"], false);
        let wan = found("wan0", &["203.0.113.9/24"], true);
        let all = [lan, wan];
        let texts = |watched: &str| {
            let nets = internal(&all, |name| watched.contains(name));
            nets.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(texts("lan0"), ["198.51.100.0/25", "2001:db8:7::/64"]);
        assert_eq!(texts("wan0"), ["203.0.113.9/32"], "its neighbours may be strangers");
        assert_eq!(texts(""), Vec::<String>::new());
    }
}
