//! The IPv4 address inside an IPv6 one, as the kernel program finds it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sensor_common::classify::embedded_ipv4;

/// The IPv4 address inside `address`: mapped, NAT64, 6to4 or of a Teredo client.
#[must_use]
pub fn inner_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let word = |at: usize| u32::from_ne_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
    embedded_ipv4(&[word(0), word(4), word(8), word(12)]).map(|inner| Ipv4Addr::from(inner.to_ne_bytes()))
}

/// The same for any address.
#[must_use]
pub fn inner(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => inner_ipv4(address).map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_only_forms_that_embed_ipv4() {
        let found = |address: &str| inner(address.parse().unwrap()).map(|inner| inner.to_string());
        for holds in ["::ffff:8.8.4.4", "64:ff9b::8.8.4.4", "2002:808:404::1"] {
            assert_eq!(found(holds).as_deref(), Some("8.8.4.4"), "{holds}");
        }
        assert_eq!((found("2001:db8::808:404"), found("8.8.4.4")), (None, None));
    }
}
