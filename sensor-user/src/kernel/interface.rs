//! The facts about an interface that the agent needs: its index, the first header of its frames, and its networks.

use std::{io, net::IpAddr};

use aya::util::KernelVersion;
use ipnet::IpNet;
use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::{if_nameindex, if_nametoindex},
};
use sensor_common::headers::Link;
use thiserror::Error;

use super::{
    link_type::{is_ip_tunnel, link_of, name_of},
    rtnetlink::LinkInfo,
};

/// A network interface of the namespace the agent runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Index.
    pub index: u32,
    /// What its frames begin with.
    pub link: Link,
    /// Networks of its addresses, link-local ones left out.
    pub networks: Vec<IpNet>,
}

/// Why an interface cannot be watched.
#[derive(Debug, Error)]
pub enum InterfaceError {
    /// There is none with that name.
    #[error(transparent)]
    Missing(#[from] NoSuchInterface),
    /// Its frames begin with neither Ethernet nor IP.
    #[error(
        "interface {name} is of a link type that the sensor cannot read: {} (ARPHRD {hardware_type}). Watch an interface with \
         Ethernet or IP packets", name_of(*hardware_type)
    )]
    LinkType {
        /// Interface.
        name: String,
        /// Hardware type.
        hardware_type: u16,
    },
    /// Its packets have the outer headers of the tunnel in front.
    #[error(
        "interface {name} is a tunnel whose packets cannot be read here: {reason}. Watch the interface that the tunnel runs \
         over, with `kernel.tunnels = true`"
    )]
    OuterHeaders {
        /// Interface.
        name: String,
        /// Why they are in front.
        reason: &'static str,
    },
    /// The kernel does not say what it is.
    #[error("cannot ask the kernel about interface {name}: {source}")]
    Unknown {
        /// Interface.
        name: String,
        /// The kernel's words.
        #[source]
        source: io::Error,
    },
}

/// There is no such interface.
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
            return Err(Self::missing(name));
        };
        let entries: Vec<InterfaceAddress> =
            getifaddrs().into_iter().flatten().filter(|entry| entry.interface_name == name).collect();
        let name = name.to_owned();
        let info = match LinkInfo::of(index) {
            Ok(info) => info,
            Err(source) => return Err(InterfaceError::Unknown { name, source }),
        };
        let Some(link) = link_of(info.hardware_type) else {
            return Err(InterfaceError::LinkType { name, hardware_type: info.hardware_type });
        };
        if let Some(reason) = outer_headers(&info, KernelVersion::current().ok()) {
            return Err(InterfaceError::OuterHeaders { name, reason });
        }
        let networks = entries.into_iter().filter_map(network).collect();
        Ok(Self { name, index, link, networks })
    }

    /// The error that there is no interface of this name or pattern.
    #[must_use]
    pub fn missing(name: &str) -> InterfaceError {
        NoSuchInterface { name: name.to_owned(), present: Self::names() }.into()
    }

    /// Indexes and names of all interfaces.
    ///
    /// # Errors
    /// If the kernel does not list them.
    pub fn all() -> io::Result<Vec<(u32, String)>> {
        let all = if_nameindex()?;
        Ok(all.iter().map(|one| (one.index(), one.name().to_string_lossy().into_owned())).collect())
    }

    /// Names of all interfaces but loopback.
    #[must_use]
    pub fn names() -> Vec<String> {
        let all = Self::all().unwrap_or_default();
        all.into_iter().map(|(_, name)| name).filter(|name| name != "lo").collect()
    }
}

/// Why packets of a tunnel interface have the outer headers in front, if they have.
fn outer_headers(info: &LinkInfo, kernel: Option<KernelVersion>) -> Option<&'static str> {
    if info.gre_without_remote {
        return Some("a GRE interface without a remote address shows the outer headers too");
    }
    let old = kernel.is_some_and(|version| version < KernelVersion::new(5, 14, 0));
    (old && is_ip_tunnel(info.hardware_type))
        .then_some("kernels before 5.14 show the outer headers of incoming packets too")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnel_that_shows_outer_headers_is_refused() {
        let info = |hardware_type, gre_without_remote| LinkInfo {
            hardware_type,
            gre_without_remote,
            ..LinkInfo::default()
        };
        let (old, new) = (Some(KernelVersion::new(5, 13, 9)), Some(KernelVersion::new(5, 14, 0)));
        let (none, ipip, gre) = (0xFFFE, 768, 778);
        assert!(outer_headers(&info(ipip, false), old).is_some_and(|reason| reason.contains("5.14")));
        assert_eq!(outer_headers(&info(ipip, false), new), None);
        assert_eq!(
            outer_headers(&info(none, false), old),
            None,
            "tun and WireGuard show the inner packet alone"
        );
        assert!(outer_headers(&info(gre, true), new).is_some());
    }
}
