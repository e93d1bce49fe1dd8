//! What the agent has to know of an interface: its index and the networks it is on.

use std::net::IpAddr;

use ipnet::IpNet;
use nix::{ifaddrs::getifaddrs, net::if_::if_nametoindex};
use thiserror::Error;

/// A network interface of the namespace the agent runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Index.
    pub index: u32,
    /// Networks of its addresses, link-local ones left out.
    pub networks: Vec<IpNet>,
}

/// There is no such interface.
#[derive(Debug, Error)]
#[error("there is no interface {name:?}; there are: {}. Name one with --iface or `interfaces` in the configuration", present.join(", "))]
pub struct NoSuchInterface {
    name: String,
    present: Vec<String>,
}

impl Interface {
    /// Looks an interface up by name.
    ///
    /// # Errors
    /// [`NoSuchInterface`], naming those that there are.
    pub fn named(name: &str) -> Result<Self, NoSuchInterface> {
        let Ok(index) = if_nametoindex(name) else {
            return Err(NoSuchInterface { name: name.to_owned(), present: Self::names() });
        };
        let networks = getifaddrs()
            .into_iter()
            .flatten()
            .filter(|entry| entry.interface_name == name)
            .filter_map(network);
        Ok(Self { name: name.to_owned(), index, networks: networks.collect() })
    }

    /// Names of all interfaces but loopback.
    #[must_use]
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = nix::net::if_::if_nameindex()
            .map(|all| all.iter().map(|one| one.name().to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        names.retain(|name| name != "lo");
        names
    }
}

fn network(entry: nix::ifaddrs::InterfaceAddress) -> Option<IpNet> {
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
