//! Networks as people write them.

use ipnet::IpNet;

/// A network, or an address as a network of its own. IPv4 in the form of IPv6 is IPv4, as for packets.
///
/// # Errors
/// The expected form.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let net: IpNet = text
        .parse()
        .or_else(|_| text.parse().map(|address: std::net::IpAddr| IpNet::from(address)))
        .map_err(|_| {
            format!("{text:?} is not a network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7")
        })?;
    if net.trunc() == net {
        Ok(as_ipv4(net).unwrap_or(net))
    } else {
        Err(format!("{text:?} has bits set after its prefix length; did you mean {}?", net.trunc()))
    }
}

/// The IPv4 network that a mapped one stands for (RFC 4291 2.5.5.2).
pub(crate) fn as_ipv4(net: IpNet) -> Option<IpNet> {
    let address = match net {
        IpNet::V4(_) => return None,
        IpNet::V6(net) => net.addr().to_ipv4_mapped()?,
    };
    IpNet::new(address.into(), net.prefix_len().checked_sub(96)?).ok()
}
