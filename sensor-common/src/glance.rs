//! The first glance: whether a frame is surely none of ours.
//!
//! Nearly every packet of a gateway is a plain TCP or UDP packet on ports that nobody watches. This looks at those alone, at
//! fixed offsets and with one bounds check, and lets everything else (tags, options, fragments, tunnels, short frames) go
//! on to the [`path`](crate::path), which knows them all. It never says "foreign" of a packet that the path would keep or
//! count.

use zerocopy::FromBytes;

use crate::{
    bytes::Bytes,
    headers::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, IPV4_FRAGMENT},
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
    _len_id: [u16; 2],
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
    _len: u16,
    next: u8,
    _hops: u8,
    _addresses: [u16; 16],
    source: u16,
    destination: u16,
}

const IPV4_TRANSPORT: usize = 34;
const IPV6_TRANSPORT: usize = 54;

/// Whether a frame of `frame_len` bytes is surely none of ours.
#[inline(always)]
pub fn surely_foreign<E: Environment, B: Bytes + ?Sized>(env: &E, frame: &B, frame_len: u32) -> bool {
    let Some(head) = frame.load::<PlainIpv4>(0) else { return false };
    if head.ethertype == ETHERTYPE_IPV4 {
        return head.version_ihl == PLAIN_IPV4
            && head.fragment & IPV4_FRAGMENT == 0
            && unwatched(
                env,
                frame,
                frame_len,
                head.protocol,
                (head.source, head.destination),
                IPV4_TRANSPORT,
            );
    }
    if head.ethertype == ETHERTYPE_IPV6 {
        let Some(head) = frame.load::<PlainIpv6>(0) else { return false };
        return head.version >> 4 == 6
            && unwatched(env, frame, frame_len, head.next, (head.source, head.destination), IPV6_TRANSPORT);
    }
    false
}

#[inline(always)]
fn unwatched<E: Environment, B: Bytes + ?Sized>(
    env: &E,
    frame: &B,
    frame_len: u32,
    protocol: u8,
    ports: (u16, u16),
    transport: usize,
) -> bool {
    let features = env.features();
    if protocol == TCP {
        both_foreign(env, TCP, ports)
            && (features & feature::SMB_ON_ANY_PORT == 0
                || frame_len < smb::SHORTEST_FRAME
                || begins_otherwise(frame, transport))
    } else {
        // With tunnels on, a UDP packet may hold another one.
        protocol == UDP && features & feature::TUNNELS == 0 && both_foreign(env, UDP, ports)
    }
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
