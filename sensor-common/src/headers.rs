//! From the first byte of a frame to its ports: Ethernet, VLAN, IPv4, IPv6.
//!
//! Takes a byte source, gives offsets and the two ports; addresses are read later and only for packets whose port
//! is watched. Never allocates, never loops without a bound.

use zerocopy::FromBytes;

use crate::{
    bytes::Bytes,
    slot::{TCP, UDP},
};

/// IPv6 extension headers walked before giving up (RFC 8200 4.1 names seven that a packet should hold at most once).
pub const MAX_EXTENSION_HEADERS: usize = 7;

/// VLAN tags walked (IEEE 802.1ad: a service and a customer tag).
pub const MAX_VLAN_TAGS: usize = 2;

/// Set in [`Ports::vlan`] when there was a tag, so that VLAN 0 differs from none.
pub const VLAN_PRESENT: u16 = 1 << 15;

const ETHERNET_LEN: usize = 14;
const VLAN_TAG_LEN: usize = 4;
const IPV4_MIN_LEN: usize = 20;
const IPV6_LEN: usize = 40;

const ETHERTYPE_IPV4: u16 = 0x0800u16.to_be();
const ETHERTYPE_IPV6: u16 = 0x86DDu16.to_be();
const ETHERTYPE_VLAN: u16 = 0x8100u16.to_be();
const ETHERTYPE_QINQ: u16 = 0x88A8u16.to_be();
const ETHERTYPE_QINQ_OLD: u16 = 0x9100u16.to_be();

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
    /// More than [`MAX_EXTENSION_HEADERS`].
    LongExtensionChain,
}

/// A TCP or UDP packet up to its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// 4 or 6.
    pub family: u8,
    /// [`TCP`] or [`UDP`].
    pub transport: u8,
    /// The packet is a first fragment.
    pub first_fragment: bool,
    /// Outer VLAN identifier with [`VLAN_PRESENT`], or 0.
    pub vlan: u16,
    /// Offset of the IP header, bytes from the start of the frame.
    pub network: usize,
    /// Offset of the transport header.
    pub transport_at: usize,
    /// Source port, wire order.
    pub source: u16,
    /// Destination port, wire order.
    pub destination: u16,
    /// Length of the IP packet by its own header; 0 where the header does not say (IPv6 jumbograms, BIG TCP).
    pub ip_len: u32,
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

/// Walks `frame` (Ethernet first) to its ports. `vlan` is the tag that the driver already took off, in the form of
/// [`Ports::vlan`], or 0.
///
/// # Errors
/// [`NoPorts`] says why there is no port to test.
#[inline(always)]
pub fn ports<B: Bytes + ?Sized>(frame: &B, vlan: u16) -> Result<Ports, NoPorts> {
    let mut vlan = vlan;
    let mut at = ETHERNET_LEN;
    let mut ethertype: u16 = frame.load(12).ok_or(NoPorts::Short)?;
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
        ETHERTYPE_IPV4 => ipv4(frame, at, vlan),
        ETHERTYPE_IPV6 => ipv6(frame, at, vlan),
        _ => Err(NoPorts::Foreign),
    }
}

/// RFC 791 3.1.
#[inline(always)]
fn ipv4<B: Bytes + ?Sized>(frame: &B, network: usize, vlan: u16) -> Result<Ports, NoPorts> {
    let header: Ipv4Header = frame.load(network).ok_or(NoPorts::Short)?;
    let header_len = usize::from(header.version_ihl & 0x0F) * 4;
    if header.version_ihl >> 4 != 4 || header_len < IPV4_MIN_LEN {
        return Err(NoPorts::Foreign);
    }
    if header.protocol != TCP && header.protocol != UDP {
        return Err(NoPorts::Foreign);
    }
    let fragment = u16::from_be(header.fragment);
    if fragment & 0x1FFF != 0 {
        return Err(NoPorts::LaterFragment);
    }
    let transport_at = network + header_len;
    let [source, destination]: [u16; 2] = frame.load(transport_at).ok_or(NoPorts::Short)?;
    Ok(Ports {
        family: 4,
        transport: header.protocol,
        first_fragment: fragment & 0x2000 != 0,
        vlan,
        network,
        transport_at,
        source,
        destination,
        ip_len: u32::from(u16::from_be(header.total_len)),
    })
}

/// RFC 8200 3 and 4.
#[inline(always)]
fn ipv6<B: Bytes + ?Sized>(frame: &B, network: usize, vlan: u16) -> Result<Ports, NoPorts> {
    let header: Ipv6Header = frame.load(network).ok_or(NoPorts::Short)?;
    if header.version >> 4 != 6 {
        return Err(NoPorts::Foreign);
    }
    let mut next = header.next;
    let mut transport_at = network + IPV6_LEN;
    let mut first_fragment = false;
    if next != TCP && next != UDP {
        (next, transport_at, first_fragment) = extensions(frame, next, transport_at)?;
    }
    let [source, destination]: [u16; 2] = frame.load(transport_at).ok_or(NoPorts::Short)?;
    let payload_len = u32::from(u16::from_be(header.payload_len));
    Ok(Ports {
        family: 6,
        transport: next,
        first_fragment,
        vlan,
        network,
        transport_at,
        source,
        destination,
        ip_len: if payload_len == 0 {
            0
        } else {
            payload_len + IPV6_LEN as u32
        },
    })
}

/// Walks the extension headers to TCP or UDP: (transport, its offset, whether a first fragment).
#[inline(always)]
fn extensions<B: Bytes + ?Sized>(frame: &B, next: u8, at: usize) -> Result<(u8, usize, bool), NoPorts> {
    let (mut next, mut at, mut first_fragment) = (next, at, false);
    for _ in 0..MAX_EXTENSION_HEADERS {
        let units = match next {
            TCP | UDP => return Ok((next, at, first_fragment)),
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | FRAGMENT | AUTHENTICATION => next,
            _ => return Err(NoPorts::Foreign),
        };
        let header: ExtensionHeader = frame.load(at).ok_or(NoPorts::Short)?;
        let len = match units {
            FRAGMENT => {
                let fragment = u16::from_be(header.fragment);
                if fragment & 0xFFF8 != 0 {
                    return Err(NoPorts::LaterFragment);
                }
                first_fragment |= fragment & 1 != 0;
                8
            }
            // RFC 4302 2.2 counts in 4-byte units, minus two.
            AUTHENTICATION => (usize::from(header.len) + 2) * 4,
            _ => (usize::from(header.len) + 1) * 8,
        };
        next = header.next;
        at += len;
    }
    match next {
        TCP | UDP => Ok((next, at, first_fragment)),
        HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | FRAGMENT | AUTHENTICATION => {
            Err(NoPorts::LongExtensionChain)
        }
        _ => Err(NoPorts::Foreign),
    }
}

/// An address as it stands on the wire, four 32-bit words; an IPv4 address is the last word, the others are zero.
pub type Address = [u32; 4];

/// Source and destination of the IP packet that [`ports`] found.
#[inline(always)]
pub fn addresses<B: Bytes + ?Sized>(frame: &B, ports: &Ports) -> Option<(Address, Address)> {
    if ports.family == 4 {
        let [source, destination]: [u32; 2] = frame.load(ports.network + 12)?;
        Some(([0, 0, 0, source], [0, 0, 0, destination]))
    } else {
        let both: [Address; 2] = frame.load(ports.network + 8)?;
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
pub fn segment<B: Bytes + ?Sized>(frame: &B, ports: &Ports, ip_len: u32) -> Option<Segment> {
    let (tcp_flags, header_len) = if ports.transport == TCP {
        let tail: TcpTail = frame.load(ports.transport_at + 12)?;
        (tail.flags, usize::from(tail.offset >> 4) * 4)
    } else {
        // RFC 768: eight bytes. The length field must be there.
        let _: u16 = frame.load(ports.transport_at + 4)?;
        (0, 8)
    };
    let payload_at = ports.transport_at + header_len;
    let before = (payload_at - ports.network) as u32;
    Some(Segment {
        tcp_flags,
        payload_at,
        payload_len: ip_len.saturating_sub(before),
    })
}
