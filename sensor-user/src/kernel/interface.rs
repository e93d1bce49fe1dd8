//! Properties of an interface: its index and its networks.

use std::net::IpAddr;

use ipnet::IpNet;
use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::{if_nameindex, if_nametoindex},
    sys::socket::LinkAddr,
};
use thiserror::Error;

/// A network interface of the namespace the agent runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Index.
    pub index: u32,
    /// Networks of its addresses, without link-local ones.
    pub networks: Vec<IpNet>,
}

/// Why an interface cannot be watched.
#[derive(Debug, Error)]
pub enum InterfaceError {
    /// There is none with that name.
    #[error(transparent)]
    Missing(#[from] NoSuchInterface),
    /// Its frames do not begin with Ethernet.
    #[error(
        "interface {0} carries no Ethernet frames (a tunnel or point-to-point interface): watch the Ethernet interface below or behind it"
    )]
    NotEthernet(String),
}

/// Hardware types (include/uapi/linux/if_arp.h) whose frames begin with Ethernet: Ethernet and loopback.
const ETHERNET: [u16; 2] = [1, 772];

/// The names that exist, for the error.
#[derive(Debug, Error)]
#[error("there is no interface {name:?}; the interfaces are: {}. Name one with --iface or `interfaces` in the configuration", present.join(", "))]
pub struct NoSuchInterface {
    name: String,
    present: Vec<String>,
}

impl Interface {
    /// Looks an interface up by name.
    ///
    /// # Errors
    /// [`InterfaceError`], with the existing names.
    pub fn named(name: &str) -> Result<Self, InterfaceError> {
        let Ok(index) = if_nametoindex(name) else {
            return Err(NoSuchInterface { name: name.to_owned(), present: Self::names() }.into());
        };
        let entries: Vec<InterfaceAddress> =
            getifaddrs().into_iter().flatten().filter(|entry| entry.interface_name == name).collect();
        let link =
            entries.iter().find_map(|entry| entry.address.as_ref()?.as_link_addr().map(LinkAddr::hatype));
        if link.is_some_and(|kind| !ETHERNET.contains(&kind)) {
            return Err(InterfaceError::NotEthernet(name.to_owned()));
        }
        let networks = entries.into_iter().filter_map(network).collect();
        Ok(Self { name: name.to_owned(), index, networks })
    }

    /// Whether it still exists, under whatever name.
    #[must_use]
    pub fn exists(&self) -> bool {
        // By listing: nix 0.31 gives an empty name instead of an error for a missing index.
        if_nameindex().map_or(true, |all| all.iter().any(|one| one.index() == self.index))
    }

    /// Names of all interfaces except loopback.
    #[must_use]
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = if_nameindex()
            .map(|all| all.iter().map(|one| one.name().to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        names.retain(|name| name != "lo");
        names
    }
}

fn network(entry: InterfaceAddress) -> Option<IpNet> {
    let (address, mask) = (entry.address?, entry.netmask?);
    let (address, mask) =
        if let (Some(address), Some(mask)) = (address.as_sockaddr_in(), mask.as_sockaddr_in()) {
            (IpAddr::V4(address.ip()), IpAddr::V4(mask.ip()))
        } else {
            let (address, mask) = (address.as_sockaddr_in6()?.ip(), mask.as_sockaddr_in6()?.ip());
            if address.is_unicast_link_local() {
                return None;
            }
            (IpAddr::V6(address), IpAddr::V6(mask))
        };
    IpNet::with_netmask(address, mask).ok().map(|net| net.trunc())
}
