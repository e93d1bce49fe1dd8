//! From two addresses to the role of a packet.
//!
//! Takes the prefix flags of both addresses. Gives the side of each, or the named reason for which the sensor does not keep
//! the packet. Uses ports only to distinguish client from server.

use crate::{counter::Counter, headers::Address, prefix::PrefixFlags, slot::Side};

/// Where an address belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The customer's own networks. Beats reserved.
    Internal,
    /// Special-purpose space, not the Internet.
    Reserved,
    /// The Internet.
    External,
}

impl Place {
    /// Reads the place from prefix flags.
    #[inline(always)]
    #[must_use]
    pub const fn of(flags: PrefixFlags) -> Self {
        if flags.contains(PrefixFlags::INTERNAL) {
            Self::Internal
        } else if flags.contains(PrefixFlags::RESERVED) {
            Self::Reserved
        } else {
            Self::External
        }
    }
}

/// Which end of a packet is the server, as far as its ports show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Only the source port is a service.
    Source,
    /// Only the destination port is a service.
    Destination,
    /// Both are.
    Either,
}

/// Classifies a packet: the side that sent it if it crosses the border, otherwise the outcome under which it is counted.
///
/// # Errors
/// The [`Counter`] of the reason why the packet is not kept.
#[inline(always)]
pub const fn crossing(
    source: PrefixFlags,
    destination: PrefixFlags,
    server: Server,
) -> Result<Side, Counter> {
    let sender = match (Place::of(source), Place::of(destination)) {
        (Place::Internal, Place::External) => Side::Local,
        (Place::External, Place::Internal) => Side::Remote,
        (Place::Internal, Place::Internal) => return Err(Counter::Lateral),
        (Place::External, Place::External) => return Err(Counter::Transit),
        (Place::Reserved, _) | (_, Place::Reserved) => return Err(Counter::Reserved),
    };
    let (client, server) = match server {
        Server::Destination => (source, destination),
        Server::Source => (destination, source),
        // The client is not known yet. The agent applies its exemptions once it is.
        Server::Either => return Ok(sender),
    };
    if client.contains(PrefixFlags::EXEMPT_SOURCE) {
        Err(Counter::ExemptSource)
    } else if server.contains(PrefixFlags::EXEMPT_DESTINATION) {
        Err(Counter::ExemptDestination)
    } else {
        Ok(sender)
    }
}

/// The number of the exemption that lets a packet pass with `reason`, from the flags of its addresses. `None` if no
/// exemption does.
#[inline(always)]
#[must_use]
pub const fn exempt_counter(
    source: PrefixFlags,
    destination: PrefixFlags,
    server: Server,
    reason: Counter,
) -> Option<u32> {
    let (client, server) = match server {
        Server::Source => (destination, source),
        Server::Destination | Server::Either => (source, destination),
    };
    match reason {
        Counter::ExemptSource => Some(client.source_counter()),
        Counter::ExemptDestination => Some(server.destination_counter()),
        _ => None,
    }
}

const MAPPED: u32 = 0x0000_FFFFu32.to_be();
const NAT64: u32 = 0x0064_FF9Bu32.to_be();
const TEREDO: u32 = 0x2001_0000u32.to_be();

/// The IPv4 address inside an IPv6 one, wire order: mapped (RFC 4291 2.5.5.2), NAT64 (RFC 6052 2.1), 6to4
/// (RFC 3056 2), Teredo client (RFC 4380 4).
#[inline(always)]
#[must_use]
pub const fn embedded_ipv4(address: &Address) -> Option<u32> {
    let [a, b, c, d] = *address;
    if a == 0 {
        return if b == 0 && c == MAPPED { Some(d) } else { None };
    }
    if a == NAT64 {
        return if b == 0 && c == 0 { Some(d) } else { None };
    }
    if a == TEREDO {
        return Some(!d);
    }
    let a = u32::from_be(a);
    if a >> 16 == 0x2002 {
        return Some(((a << 16) | (u32::from_be(b) >> 16)).to_be());
    }
    None
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::*;

    const INTERNAL: PrefixFlags = PrefixFlags::INTERNAL;
    const RESERVED: PrefixFlags = PrefixFlags::RESERVED;
    const EXTERNAL: PrefixFlags = PrefixFlags::NONE;

    fn words(address: &str) -> Address {
        let octets = address.parse::<Ipv6Addr>().unwrap().octets();
        core::array::from_fn(|i| u32::from_ne_bytes(octets[i * 4..i * 4 + 4].try_into().unwrap()))
    }

    fn embedded(address: &str) -> Option<[u8; 4]> {
        embedded_ipv4(&words(address)).map(u32::to_ne_bytes)
    }

    #[test]
    fn internal_beats_reserved() {
        assert_eq!(Place::of(INTERNAL.union(RESERVED)), Place::Internal);
    }

    #[test]
    fn only_internal_with_external_crosses_the_border() {
        let to = |a, b| crossing(a, b, Server::Destination);
        assert_eq!(to(INTERNAL, EXTERNAL), Ok(Side::Local));
        assert_eq!(to(EXTERNAL, INTERNAL), Ok(Side::Remote));
        assert_eq!(to(INTERNAL, INTERNAL), Err(Counter::Lateral));
        assert_eq!(to(INTERNAL, RESERVED), Err(Counter::Reserved));
        assert_eq!(to(RESERVED, INTERNAL), Err(Counter::Reserved));
        assert_eq!(to(EXTERNAL, EXTERNAL), Err(Counter::Transit));
        assert_eq!(to(RESERVED, EXTERNAL), Err(Counter::Reserved));
    }

    #[test]
    fn exempt_source_is_exempt_as_client_only() {
        let exempt = INTERNAL.union(PrefixFlags::EXEMPT_SOURCE);
        assert_eq!(crossing(exempt, EXTERNAL, Server::Destination), Err(Counter::ExemptSource));
        assert_eq!(crossing(EXTERNAL, exempt, Server::Source), Err(Counter::ExemptSource), "the reply");
        assert_eq!(
            crossing(EXTERNAL, exempt, Server::Destination),
            Ok(Side::Remote),
            "as a server it is watched"
        );
    }

    #[test]
    fn exempt_destination_is_exempt_as_server_only() {
        let exempt = PrefixFlags::EXEMPT_DESTINATION;
        assert_eq!(crossing(INTERNAL, exempt, Server::Destination), Err(Counter::ExemptDestination));
        assert_eq!(crossing(exempt, INTERNAL, Server::Source), Err(Counter::ExemptDestination));
        assert_eq!(crossing(exempt, INTERNAL, Server::Destination), Ok(Side::Remote));
    }

    #[test]
    fn exempt_packets_count_for_their_exemption_in_both_directions() {
        let client = INTERNAL.union(PrefixFlags::EXEMPT_SOURCE).counted_as_source(5);
        let server = PrefixFlags::EXEMPT_DESTINATION.counted_as_destination(6);
        let counter = |from, to, server, reason| exempt_counter(from, to, server, reason);
        assert_eq!(counter(client, EXTERNAL, Server::Destination, Counter::ExemptSource), Some(5));
        assert_eq!(counter(EXTERNAL, client, Server::Source, Counter::ExemptSource), Some(5), "the reply");
        assert_eq!(counter(INTERNAL, server, Server::Destination, Counter::ExemptDestination), Some(6));
        assert_eq!(counter(server, INTERNAL, Server::Source, Counter::ExemptDestination), Some(6));
        assert_eq!(counter(client, INTERNAL, Server::Destination, Counter::Lateral), None);
    }

    #[test]
    fn nothing_is_exempt_with_service_ports_on_both_ends() {
        let exempt = INTERNAL.union(PrefixFlags::EXEMPT_SOURCE);
        assert_eq!(crossing(exempt, EXTERNAL, Server::Either), Ok(Side::Local));
    }

    #[test]
    fn finds_embedded_ipv4_in_each_transition_form() {
        assert_eq!(embedded("::ffff:8.8.4.4"), Some([8, 8, 4, 4]));
        assert_eq!(embedded("64:ff9b::8.8.4.4"), Some([8, 8, 4, 4]));
        assert_eq!(embedded("2002:808:404::1"), Some([8, 8, 4, 4]));
        assert_eq!(embedded("2001:0:1234::f7f7:fbfb"), Some([8, 8, 4, 4]));
    }

    #[test]
    fn ordinary_addresses_embed_nothing() {
        for address in
            ["::", "::1", "::8.8.4.4", "64:ff9b:1::808:404", "2001:db8::1", "2001:4860::8844", "fd00::1"]
        {
            assert_eq!(embedded(address), None, "{address}");
        }
    }
}
