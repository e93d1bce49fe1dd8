//! The first glance: whether a frame is surely none of ours, or plain and on a watched port.
//!
//! Nearly every packet of a gateway is a plain TCP or UDP packet on ports that nobody watches. This looks at those alone, at
//! fixed offsets and with one bounds check, and lets everything else (tags, options, fragments, tunnels, short frames) go
//! on to the [`path`](crate::path), which knows them all. It never says "foreign" of a packet that the path would keep or
//! count, and what it calls plain the path would read the same.

use zerocopy::FromBytes;

use crate::{
    bytes::Bytes,
    headers::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, IPV4_FRAGMENT, Ports},
    path::Environment,
    settings::{PortKind, feature},
    slot::{TCP, UDP},
    smb::{self, Opening},
};

/// Version 4, header of five words.
const PLAIN_IPV4: u8 = 0x45;

/// Ethernet, IPv4 without options, ports.
#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct PlainIpv4 {
    _ethernet: [u16; 6],
    ethertype: u16,
    version_ihl: u8,
    _tos: u8,
    len: u16,
    _id: u16,
    fragment: u16,
    _ttl: u8,
    protocol: u8,
    _checksum_addresses: [u16; 5],
    source: u16,
    destination: u16,
}

/// Ethernet, IPv6 without extension headers, ports.
#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct PlainIpv6 {
    _ethernet: [u16; 6],
    _ethertype: u16,
    version: u8,
    _class_flow: [u8; 3],
    len: u16,
    next: u8,
    _hops: u8,
    _addresses: [u16; 16],
    source: u16,
    destination: u16,
}

const IPV4_TRANSPORT: usize = 34;
const IPV6_TRANSPORT: usize = 54;

/// What the first glance says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// Surely none of ours.
    Foreign,
    /// On a watched port, and so plain that [`plain_ipv4`] says where everything is.
    PlainIpv4,
    /// Likewise, [`plain_ipv6`].
    PlainIpv6,
    /// Perhaps ours: the path has to look.
    Unsure,
}

/// Glances at a frame of `frame_len` bytes.
#[inline(always)]
pub fn glance<E: Environment, B: Bytes + ?Sized>(env: &E, frame: &B, frame_len: u32) -> Glance {
    let Some(head) = frame.load::<PlainIpv4>(0) else { return Glance::Unsure };
    if head.ethertype == ETHERTYPE_IPV4 {
        if head.version_ihl != PLAIN_IPV4 || head.fragment & IPV4_FRAGMENT != 0 {
            return Glance::Unsure;
        }
        let ports = (head.source, head.destination);
        return of_ports(env, frame, frame_len, head.protocol, ports, IPV4_TRANSPORT, Glance::PlainIpv4);
    }
    if head.ethertype == ETHERTYPE_IPV6 {
        let Some(head) = frame.load::<PlainIpv6>(0) else { return Glance::Unsure };
        if head.version >> 4 != 6 {
            return Glance::Unsure;
        }
        let ports = (head.source, head.destination);
        return of_ports(env, frame, frame_len, head.next, ports, IPV6_TRANSPORT, Glance::PlainIpv6);
    }
    Glance::Unsure
}

#[inline(always)]
fn of_ports<E: Environment, B: Bytes + ?Sized>(
    env: &E,
    frame: &B,
    frame_len: u32,
    protocol: u8,
    ports: (u16, u16),
    transport: usize,
    plain: Glance,
) -> Glance {
    let features = env.features();
    if protocol == TCP {
        if !both_foreign(env, TCP, ports) {
            return plain;
        }
        let foreign = features & feature::SMB_ON_ANY_PORT == 0
            || frame_len < smb::SHORTEST_FRAME
            || begins_otherwise(frame, transport);
        return if foreign { Glance::Foreign } else { Glance::Unsure };
    }
    // With tunnels on, a UDP packet may hold another one.
    if protocol == UDP && features & feature::TUNNELS == 0 && both_foreign(env, UDP, ports) {
        Glance::Foreign
    } else {
        Glance::Unsure
    }
}

/// Where everything is in a frame that is [`Glance::PlainIpv4`].
#[inline(always)]
pub fn plain_ipv4<B: Bytes + ?Sized>(frame: &B, vlan: u16) -> Option<Ports> {
    let head = frame.load::<PlainIpv4>(0)?;
    Some(Ports {
        network: 14,
        transport_at: IPV4_TRANSPORT as u32,
        ip_len: u32::from(u16::from_be(head.len)),
        source: head.source,
        destination: head.destination,
        vlan,
        family: 4,
        transport: TCP,
        first_fragment: false,
        tunnelled: false,
    })
}

/// Where everything is in a frame that is [`Glance::PlainIpv6`].
#[inline(always)]
pub fn plain_ipv6<B: Bytes + ?Sized>(frame: &B, vlan: u16) -> Option<Ports> {
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

#[inline(always)]
fn both_foreign<E: Environment>(env: &E, transport: u8, ports: (u16, u16)) -> bool {
    matches!(env.port_kind(transport, ports.0), PortKind::Foreign)
        && matches!(env.port_kind(transport, ports.1), PortKind::Foreign)
}

/// Whether the payload is there to be read and begins with nothing of ours.
#[inline(always)]
fn begins_otherwise<B: Bytes + ?Sized>(frame: &B, transport: usize) -> bool {
    let Some(offset) = frame.load::<u8>(transport + 12) else { return false };
    let header_len = usize::from(offset >> 4) * 4;
    match frame.load::<smb::Probe>(transport + header_len) {
        Some(probe) => header_len >= 20 && matches!(smb::opening(probe), Opening::Other),
        None => false,
    }
}
