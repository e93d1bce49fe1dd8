//! The fast path: whether a frame is certainly not watched, or plain and on a watched port.
//!
//! It reads Ethernet frames only. Nearly every packet of a gateway is a plain TCP or UDP packet on unwatched ports. The fast path
//! handles plain packets alone, at fixed offsets and with one bounds check. Everything else (tags, options, fragments, tunnels,
//! short frames) goes to the [`path`](crate::path), which handles all frames. The fast path never rejects a packet that the path
//! would keep or count. The path reads plain frames in the same way.

use zerocopy::FromBytes;

use crate::{
    bytes::Bytes,
    classify::Server,
    headers::{Link, Ports},
    http,
    path::Environment,
    quic,
    settings::{PortKind, feature, port},
    slot::{TCP, UDP},
    smb::{self, Opening},
};

/// The first 38 bytes: Ethernet, IPv4 without options, ports; or Ethernet and the same number of bytes of IPv6. Wide words
/// allow one test for several fields.
#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct Head {
    _ethernet: [u32; 3],
    /// Ethertype, version and header length, service.
    kind: u32,
    /// Of IPv4: length, identification, fragment, time to live, protocol.
    shape: u64,
    _checksum_addresses: [u16; 5],
    source: u16,
    destination: u16,
    _rest: u16,
}

/// Ethernet, IPv6 without extension headers, ports.
#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct PlainIpv6 {
    _ethernet: [u16; 7],
    _class_flow: [u16; 2],
    len: u16,
    next: u8,
    _hops: u8,
    _addresses: [u16; 16],
    source: u16,
    destination: u16,
}

/// Values to compare [`Head::kind`] with.
const KIND: u32 = u32::from_ne_bytes([0xFF, 0xFF, 0xFF, 0]);
/// IPv4 with a header of five words.
const IPV4: u32 = u32::from_ne_bytes([0x08, 0x00, 0x45, 0]);
const KIND_V6: u32 = u32::from_ne_bytes([0xFF, 0xFF, 0xF0, 0]);
const IPV6: u32 = u32::from_ne_bytes([0x86, 0xDD, 0x60, 0]);
/// More-fragments bit, fragment offset (RFC 791 3.1), and protocol.
const SHAPE: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0x3F, 0xFF, 0, 0xFF]);
const WHOLE_TCP: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, TCP]);
const WHOLE_UDP: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, UDP]);

const IPV4_LEN_AT: usize = 16;
const IPV4_TRANSPORT: usize = 34;
const IPV6_TRANSPORT: usize = 54;

/// The result of the fast path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastPath {
    /// Certainly not watched.
    Foreign,
    /// TCP with one watched port, that of the server, and so plain that [`plain_ipv4`] gives all offsets.
    PlainIpv4(Server, PortKind),
    /// Likewise, [`plain_ipv6`].
    PlainIpv6(Server, PortKind),
    /// Perhaps watched: the path decides.
    Unsure,
}

/// Inspects a frame. `is_shorter` says whether the whole frame is shorter than a number of bytes.
#[inline(always)]
pub fn fast_path<E: Environment, B: Bytes + Copy>(
    env: &E,
    frame: B,
    is_shorter: impl FnOnce(u32) -> bool,
) -> FastPath {
    let Some(head) = frame.load::<Head>(0) else { return FastPath::Unsure };
    if head.kind & KIND == IPV4 {
        let ports = (head.source, head.destination);
        return match head.shape & SHAPE {
            WHOLE_TCP => of_tcp(env, frame, is_shorter, ports, IPV4_TRANSPORT, FastPath::PlainIpv4),
            WHOLE_UDP => of_udp(env, frame, ports, IPV4_TRANSPORT),
            _ => FastPath::Unsure,
        };
    }
    if head.kind & KIND_V6 == IPV6 {
        let Some(head) = frame.load::<PlainIpv6>(0) else { return FastPath::Unsure };
        let ports = (head.source, head.destination);
        return match head.next {
            TCP => of_tcp(env, frame, is_shorter, ports, IPV6_TRANSPORT, FastPath::PlainIpv6),
            UDP => of_udp(env, frame, ports, IPV6_TRANSPORT),
            _ => FastPath::Unsure,
        };
    }
    FastPath::Unsure
}

#[inline(always)]
fn of_tcp<E: Environment, B: Bytes + Copy>(
    env: &E,
    frame: B,
    is_shorter: impl FnOnce(u32) -> bool,
    ports: (u16, u16),
    transport: usize,
    plain: fn(Server, PortKind) -> FastPath,
) -> FastPath {
    let (source, destination) = (env.port_kind(TCP, ports.0), env.port_kind(TCP, ports.1));
    if source.0 | destination.0 != 0 {
        // Both ports are services, or SMB or WebDAV was recognised on one: the general path decides.
        return if source.is_service() {
            if destination.is_service() { FastPath::Unsure } else { plain(Server::Source, source) }
        } else if destination.is_service() {
            plain(Server::Destination, destination)
        } else {
            FastPath::Unsure
        };
    }
    let foreign = is_shorter(Link::Ethernet.header_len() + smb::SHORTEST_PACKET)
        || env.features() & feature::SMB_ON_ANY_PORT == 0
        || begins_otherwise(frame, transport);
    if foreign { FastPath::Foreign } else { FastPath::Unsure }
}

/// With tunnels on, a UDP packet may contain another packet. To a port of QUIC, only packets with a long header are of interest.
#[inline(always)]
fn of_udp<E: Environment, B: Bytes + Copy>(
    env: &E,
    frame: B,
    ports: (u16, u16),
    transport: usize,
) -> FastPath {
    let (source, destination) = (env.port_kind(UDP, ports.0), env.port_kind(UDP, ports.1));
    if (source.0 | destination.0) & !port::QUIC != 0 || env.features() & feature::TUNNELS != 0 {
        return FastPath::Unsure;
    }
    let is_short_header = || frame.load::<u8>(transport + 8).is_some_and(|first| !quic::may_be_long(first));
    if !destination.has(port::QUIC) || is_short_header() { FastPath::Foreign } else { FastPath::Unsure }
}

/// The offsets in a frame that is [`FastPath::PlainIpv4`].
#[inline(always)]
pub fn plain_ipv4<B: Bytes + Copy>(frame: B, vlan: u16) -> Option<Ports> {
    let head = frame.load::<Head>(0)?;
    let len: u16 = frame.load(IPV4_LEN_AT)?;
    Some(Ports {
        network: 14,
        transport_at: IPV4_TRANSPORT as u32,
        ip_len: u32::from(u16::from_be(len)),
        source: head.source,
        destination: head.destination,
        vlan,
        family: 4,
        transport: TCP,
        first_fragment: false,
        tunnelled: false,
    })
}

/// The offsets in a frame that is [`FastPath::PlainIpv6`].
#[inline(always)]
pub fn plain_ipv6<B: Bytes + Copy>(frame: B, vlan: u16) -> Option<Ports> {
    let head = frame.load::<PlainIpv6>(0)?;
    let payload_len = u32::from(u16::from_be(head.len));
    Some(Ports {
        network: 14,
        transport_at: IPV6_TRANSPORT as u32,
        ip_len: if payload_len == 0 { 0 } else { payload_len + 40 },
        source: head.source,
        destination: head.destination,
        vlan,
        family: 6,
        transport: TCP,
        first_fragment: false,
        tunnelled: false,
    })
}

/// Whether the payload is readable and begins with no message of the watched protocols.
#[inline(always)]
fn begins_otherwise<B: Bytes + Copy>(frame: B, transport: usize) -> bool {
    let Some(offset) = frame.load::<u8>(transport + 12) else { return false };
    let header_len = usize::from(offset >> 4) * 4;
    match frame.load::<smb::Probe>(transport + header_len) {
        Some(probe) => {
            header_len >= 20 && matches!(smb::opening(probe), Opening::Other) && !http::is_webdav(probe)
        }
        None => false,
    }
}
