//! One end of a connection, as networks.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

use crate::networks::inner;

/// Addresses on one end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// As written: networks, DNS names, and names of lists.
    pub written: Vec<String>,
    /// The resulting networks, in order and none inside another.
    networks: Vec<IpNet>,
}

impl End {
    /// The end as written, with the networks that it stands for.
    #[must_use]
    pub fn new(written: Vec<String>, networks: &Vec<IpNet>) -> Self {
        let mut networks = IpNet::aggregate(networks);
        networks.sort_unstable();
        Self { written, networks }
    }

    /// The networks.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// Whether `address` is on this end, as itself or by the IPv4 address inside it, which is how the kernel sees it.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        let inner = inner(address);
        let has = |address: IpAddr| {
            let behind = self.networks.partition_point(|net| net.network() <= address);
            behind > 0 && self.networks[behind - 1].contains(&address)
        };
        has(address) || inner.is_some_and(has)
    }
}

impl From<IpNet> for End {
    fn from(net: IpNet) -> Self {
        Self::new(vec![net.to_string()], &vec![net])
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written.join(", "))
    }
}
