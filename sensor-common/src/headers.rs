//! From the first byte of a frame to its ports: Ethernet, VLAN, PPPoE, IPv4, IPv6, and one level of tunnel.
//!
//! Takes a byte source, gives offsets and the two ports; addresses are read later and only for packets whose port
//! is watched. Never allocates, never loops without a bound.

use zerocopy::FromBytes;

use crate::{
    bytes::{Bytes, OFFSET_MASK},
    slot::{TCP, UDP},
    tunnel,
};

/// IPv6 extension headers walked before giving up (RFC 8200 4.1 names seven that a packet should hold at most once).
pub const MAX_EXTENSION_HEADERS: usize = 7;

/// VLAN tags walked (IEEE 802.1ad: a service and a customer tag).
pub const MAX_VLAN_TAGS: usize = 2;

/// Set in [`Ports::vlan`] when there was a tag, so that VLAN 0 differs from none.
pub const VLAN_PRESENT: u16 = 1 << 15;

const ETHERNET_LEN: usize = 14;
const VLAN_TAG_LEN: usize = 4;
const PPPOE_LEN: usize = 8;
const IPV4_MIN_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const TCP_MIN_LEN: usize = 20;

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800u16.to_be();
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86DDu16.to_be();
const ETHERTYPE_VLAN: u16 = 0x8100u16.to_be();
const ETHERTYPE_QINQ: u16 = 0x88A8u16.to_be();
const ETHERTYPE_QINQ_OLD: u16 = 0x9100u16.to_be();
const ETHERTYPE_PPPOE: u16 = 0x8864u16.to_be();
const ETHERTYPE_MPLS: u16 = 0x8847u16.to_be();
const ETHERTYPE_MPLS_UPSTREAM: u16 = 0x8848u16.to_be();
const PPP_IPV4: u16 = 0x0021u16.to_be();
const PPP_IPV6: u16 = 0x0057u16.to_be();

/// More-fragments bit and fragment offset of IPv4 (RFC 791 3.1).
pub(crate) const IPV4_FRAGMENT: u16 = 0x3FFFu16.to_be();
const IPV4_OFFSET: u16 = 0x1FFFu16.to_be();

/// Bytes of a transport header that a first fragment must hold for its ports and, with TCP, its flags to be there.
const TRANSPORT_MIN: usize = 16;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;

/// Why a frame has no ports to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPorts {
    /// Not IP, or IP with another transport than TCP and UDP: nothing to do with us.
    Foreign,
    /// The frame ends inside a header.
    Short,
    /// A fragment after the first.
    LaterFragment,
    /// A first fragment too short for its transport header, or one that would overwrite it (RFC 1858): no sender does so
    /// but to evade.
    EvasiveFragment,
    /// More than [`MAX_EXTENSION_HEADERS`].
    LongExtensionChain,
    /// A link layer that is not looked into: MPLS, more than [`MAX_VLAN_TAGS`].
    UnknownLink,
}

/// An IP packet up to its transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// 4 or 6.
    pub family: u8,
    /// IP protocol of what follows.
    pub protocol: u8,
    /// The packet is a first fragment.
    pub first_fragment: bool,
    /// Offset of the IP header, bytes from the start of the frame.
    pub at: usize,
    /// Offset of the transport header.
    pub transport_at: usize,
    /// Length of the IP packet by its own header; 0 where the header does not say (IPv6 jumbograms, BIG TCP).
    pub len: u32,
}

/// A TCP or UDP packet up to its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Ports {
    /// Offset of the IP header, bytes from the start of the frame.
    pub network: u32,
    /// Offset of the transport header.
    pub transport_at: u32,
    /// Length of the IP packet by its own header; 0 where the header does not say (IPv6 jumbograms, BIG TCP).
    pub ip_len: u32,
    /// Source port, wire order.
    pub source: u16,
    /// Destination port, wire order.
    pub destination: u16,
    /// Outer VLAN identifier with [`VLAN_PRESENT`], or 0.
    pub vlan: u16,
    /// 4 or 6.
    pub family: u8,
    /// [`TCP`] or [`UDP`].
    pub transport: u8,
    /// The packet is a first fragment.
    pub first_fragment: bool,
    /// The packet came out of a tunnel.
    pub tunnelled: bool,
}

impl Ports {
    /// Offset of the IP header. The mask changes nothing: it is there for the verifier.
    #[inline(always)]
    #[must_use]
    pub const fn network_at(&self) -> usize {
        self.network as usize & OFFSET_MASK
    }

    /// Offset of the transport header, likewise.
    #[inline(always)]
    #[must_use]
    pub const fn segment_at(&self) -> usize {
        self.transport_at as usize & OFFSET_MASK
    }
}

#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct Ipv4Header {
    version_ihl: u8,
    _tos: u8,
    total_len: u16,
    _id: u16,
    fragment: u16,
    _ttl: u8,
    protocol: u8,
}

#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct Ipv6Header {
    version: u8,
    _class_flow: [u8; 3],
    payload_len: u16,
    next: u8,
    _hops: u8,
}

#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct ExtensionHeader {
    next: u8,
    len: u8,
    fragment: u16,
}

/// Walks `frame` (Ethernet first) to its ports, through one tunnel if `tunnels` says so. `vlan` is the tag that the driver
/// already took off, in the form of [`Ports::vlan`], or 0.
///
/// # Errors
/// [`NoPorts`] says why there is no port to test.
#[inline(always)]
pub fn ports<B: Bytes + Copy>(frame: B, vlan: u16, tunnels: bool) -> Result<Ports, NoPorts> {
    let (ethertype, at, vlan) = link(frame, 0, vlan)?;
    let mut packet = network(frame, ethertype, at)?;
    let mut tunnelled = false;
    if tunnels && let Some((ethertype, at)) = tunnel::inside(frame, &packet)? {
        packet = network(frame, ethertype, at)?;
        tunnelled = true;
    }
    if packet.protocol != TCP && packet.protocol != UDP {
        return Err(NoPorts::Foreign);
    }
    let [source, destination]: [u16; 2] = frame.load(packet.transport_at).ok_or(NoPorts::Short)?;
    Ok(Ports {
        family: packet.family,
        transport: packet.protocol,
        first_fragment: packet.first_fragment,
        tunnelled,
        vlan,
        network: packet.at as u32,
        transport_at: packet.transport_at as u32,
        source,
        destination,
        ip_len: packet.len,
    })
}

/// Walks the link layer from an Ethernet header at `at`: (ethertype of IP, offset of IP, outer VLAN).
#[inline(always)]
pub(crate) fn link<B: Bytes + Copy>(frame: B, at: usize, vlan: u16) -> Result<(u16, usize, u16), NoPorts> {
    let ethertype: u16 = frame.load(at + 12).ok_or(NoPorts::Short)?;
    let at = at + ETHERNET_LEN;
    if ethertype == ETHERTYPE_IPV4 || ethertype == ETHERTYPE_IPV6 {
        return Ok((ethertype, at, vlan));
    }
    deeper_link(frame, ethertype, at, vlan)
}

/// What stands between Ethernet and IP, where something does.
#[inline(always)]
fn deeper_link<B: Bytes + Copy>(
    frame: B,
    ethertype: u16,
    at: usize,
    vlan: u16,
) -> Result<(u16, usize, u16), NoPorts> {
    let (mut ethertype, mut at, mut vlan) = (ethertype, at, vlan);
    for _ in 0..MAX_VLAN_TAGS {
        if ethertype != ETHERTYPE_VLAN && ethertype != ETHERTYPE_QINQ && ethertype != ETHERTYPE_QINQ_OLD {
            break;
        }
        let [tag, inner]: [u16; 2] = frame.load(at).ok_or(NoPorts::Short)?;
        if vlan == 0 {
            vlan = (u16::from_be(tag) & 0x0FFF) | VLAN_PRESENT;
        }
        ethertype = inner;
        at += VLAN_TAG_LEN;
    }
    match ethertype {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok((ethertype, frame.forget(at), vlan)),
        ETHERTYPE_PPPOE => {
            // RFC 2516 4: version, type, code, session and length are six bytes; then the PPP protocol.
            let protocol: u16 = frame.load(at + 6).ok_or(NoPorts::Short)?;
            match protocol {
                PPP_IPV4 => Ok((ETHERTYPE_IPV4, frame.forget(at + PPPOE_LEN), vlan)),
                PPP_IPV6 => Ok((ETHERTYPE_IPV6, frame.forget(at + PPPOE_LEN), vlan)),
                _ => Err(NoPorts::Foreign),
            }
        }
        ETHERTYPE_MPLS | ETHERTYPE_MPLS_UPSTREAM | ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD => {
            Err(NoPorts::UnknownLink)
        }
        _ => Err(NoPorts::Foreign),
    }
}

/// Walks the IP packet at `at` to its transport header.
#[inline(always)]
pub(crate) fn network<B: Bytes + Copy>(frame: B, ethertype: u16, at: usize) -> Result<Network, NoPorts> {
    if ethertype == ETHERTYPE_IPV4 { ipv4(frame, at) } else { ipv6(frame, at) }
}

/// RFC 791 3.1.
#[inline(always)]
fn ipv4<B: Bytes + Copy>(frame: B, at: usize) -> Result<Network, NoPorts> {
    let header: Ipv4Header = frame.load(at).ok_or(NoPorts::Short)?;
    let header_len = usize::from(header.version_ihl & 0x0F) * 4;
    if header.version_ihl >> 4 != 4 || header_len < IPV4_MIN_LEN {
        return Err(NoPorts::Foreign);
    }
    let len = u32::from(u16::from_be(header.total_len));
    let mut first_fragment = false;
    if header.fragment & IPV4_FRAGMENT != 0 {
        let offset = u16::from_be(header.fragment & IPV4_OFFSET);
        match header.protocol {
            TCP if offset == 0 && (len as usize) < header_len + TRANSPORT_MIN => {
                return Err(NoPorts::EvasiveFragment);
            }
            TCP if offset == 1 => return Err(NoPorts::EvasiveFragment),
            TCP | UDP if offset != 0 => return Err(NoPorts::LaterFragment),
            _ if offset != 0 => return Err(NoPorts::Foreign),
            // The first fragment has what is looked for, also where that is a tunnel's header.
            _ => first_fragment = true,
        }
    }
    Ok(Network {
        family: 4,
        protocol: header.protocol,
        first_fragment,
        at,
        transport_at: at + header_len,
        len,
    })
}

/// RFC 8200 3 and 4.
#[inline(always)]
fn ipv6<B: Bytes + Copy>(frame: B, at: usize) -> Result<Network, NoPorts> {
    let header: Ipv6Header = frame.load(at).ok_or(NoPorts::Short)?;
    if header.version >> 4 != 6 {
        return Err(NoPorts::Foreign);
    }
    let payload_len = u32::from(u16::from_be(header.payload_len));
    let len = if payload_len == 0 { 0 } else { payload_len + IPV6_LEN as u32 };
    let packet = Network {
        family: 6,
        protocol: header.next,
        first_fragment: false,
        at,
        transport_at: at + IPV6_LEN,
        len,
    };
    if header.next == TCP || header.next == UDP { Ok(packet) } else { extensions(frame, packet) }
}

/// Walks the extension headers of `packet`.
#[inline(always)]
fn extensions<B: Bytes + Copy>(frame: B, packet: Network) -> Result<Network, NoPorts> {
    let mut packet = packet;
    for _ in 0..MAX_EXTENSION_HEADERS {
        if !is_extension(packet.protocol) {
            return Ok(packet);
        }
        let header: ExtensionHeader = frame.load(packet.transport_at).ok_or(NoPorts::Short)?;
        let len = match packet.protocol {
            FRAGMENT => {
                let fragment = u16::from_be(header.fragment);
                if fragment >> 3 != 0 {
                    return Err(NoPorts::LaterFragment);
                }
                if fragment & 1 != 0 {
                    let end = packet.transport_at + 8 - packet.at + TRANSPORT_MIN;
                    if header.next == TCP && (packet.len as usize) < end {
                        return Err(NoPorts::EvasiveFragment);
                    }
                    packet.first_fragment = true;
                }
                8
            }
            // RFC 4302 2.2 counts in 4-byte units, minus two.
            AUTHENTICATION => (usize::from(header.len) + 2) * 4,
            _ => (usize::from(header.len) + 1) * 8,
        };
        packet.protocol = header.next;
        packet.transport_at = frame.forget(packet.transport_at + len);
    }
    if is_extension(packet.protocol) { Err(NoPorts::LongExtensionChain) } else { Ok(packet) }
}

#[inline(always)]
const fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | FRAGMENT | AUTHENTICATION)
}

/// An address as it stands on the wire, four 32-bit words; an IPv4 address is the last word, the others are zero.
pub type Address = [u32; 4];

/// Source and destination of the IP packet that [`ports`] found.
#[inline(always)]
pub fn addresses<B: Bytes + Copy>(frame: B, ports: &Ports) -> Option<(Address, Address)> {
    if ports.family == 4 {
        let [source, destination]: [u32; 2] = frame.load(ports.network_at() + 12)?;
        Some(([0, 0, 0, source], [0, 0, 0, destination]))
    } else {
        // In wide words: half as many loads.
        let both: [Address; 2] = zerocopy::transmute!(frame.load::<[u64; 4]>(ports.network_at() + 8)?);
        Some((both[0], both[1]))
    }
}

/// What the transport header adds: TCP flags, and where the payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// TCP flags (RFC 9293 3.1); 0 for UDP.
    pub tcp_flags: u8,
    /// Offset of the payload in the frame.
    pub payload_at: usize,
    /// Bytes of payload by the IP header's length; padding is not payload.
    pub payload_len: u32,
}

#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct TcpTail {
    offset: u8,
    flags: u8,
}

/// Reads the transport header of `ports`. `ip_len` is the length of the IP packet in bytes.
#[inline(always)]
pub fn segment<B: Bytes + Copy>(frame: B, ports: &Ports, ip_len: u32) -> Option<Segment> {
    let (tcp_flags, header_len) = if ports.transport == TCP {
        let tail: TcpTail = frame.load(ports.segment_at() + 12)?;
        // RFC 9293 3.1: five words at least; a header that says less is five words long all the same.
        (tail.flags, (usize::from(tail.offset >> 4) * 4).max(TCP_MIN_LEN))
    } else {
        // RFC 768: eight bytes. The length field must be there.
        let _: u16 = frame.load(ports.segment_at() + 4)?;
        (0, 8)
    };
    let payload_at = ports.segment_at() + header_len;
    let before = (payload_at - ports.network_at()) as u32;
    Some(Segment { tcp_flags, payload_at, payload_len: ip_len.saturating_sub(before) })
}
