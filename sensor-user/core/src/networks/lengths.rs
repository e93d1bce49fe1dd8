//! Prefix lengths that occur in a set of networks, so that a look-up of an address tries no others.

use std::net::IpAddr;

use ipnet::IpNet;

use super::inner;

/// Prefix lengths that occur, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixLengths {
    v4: u64,
    v6: [u128; 2],
}

impl PrefixLengths {
    /// A network of the set.
    pub fn add(&mut self, net: IpNet) {
        let length = usize::from(net.prefix_len());
        match net {
            IpNet::V4(_) => self.v4 |= 1 << length,
            IpNet::V6(_) => self.v6[length / 128] |= 1 << (length % 128),
        }
    }

    /// Networks of these lengths that cover an address, the longest first, then those that cover the IPv4 address inside it.
    pub fn covering(self, address: IpAddr) -> impl Iterator<Item = IpNet> {
        [Some(address), inner(address)].into_iter().flatten().flat_map(move |address| {
            (0..=IpNet::from(address).prefix_len())
                .rev()
                .filter(move |length| self.occurs(address, *length))
                .filter_map(move |length| IpNet::new(address, length).ok())
                .map(|net| net.trunc())
        })
    }

    const fn occurs(self, address: IpAddr, length: u8) -> bool {
        let length = length as usize;
        match address {
            IpAddr::V4(_) => self.v4 >> length & 1 != 0,
            IpAddr::V6(_) => self.v6[length / 128] >> (length % 128) & 1 != 0,
        }
    }
}
