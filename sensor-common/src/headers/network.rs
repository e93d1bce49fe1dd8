//! From IP to the transport header: options, extension headers and fragments.

use zerocopy::FromBytes;

use super::{NoPorts, link::ETHERTYPE_IPV4};
use crate::{
    bytes::Bytes,
    slot::{TCP, UDP},
};

/// IPv6 extension headers walked before giving up (RFC 8200 4.1 lists seven, each at most once in a packet).
pub const MAX_EXTENSION_HEADERS: usize = 7;

const IPV4_MIN_LEN: usize = 20;
const IPV6_LEN: usize = 40;

/// More-fragments bit and fragment offset of IPv4 (RFC 791 3.1).
const IPV4_FRAGMENT: u16 = 0x3FFFu16.to_be();
const IPV4_OFFSET: u16 = 0x1FFFu16.to_be();

/// Bytes of a transport header that a first fragment must have: the ports and, for TCP, the flags.
const TRANSPORT_MIN: usize = 16;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;

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
    /// Length of the IP packet from its own header; 0 if the header does not say (IPv6 jumbograms, BIG TCP).
    pub len: u32,
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
            // The first fragment has the ports, or the header of a tunnel.
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
