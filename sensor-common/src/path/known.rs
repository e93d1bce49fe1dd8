//! The short path of a plain TCP packet that brings nothing new.
//!
//! Nearly all watched packets are either internal, or belong to a flow in its slot and add only counts: they have no new flag,
//! and no message begins in them. A few comparisons recognise such a packet, and it is counted. Every other packet is left to the
//! rest of the path, with nothing changed or counted.

use zerocopy::FromBytes;

use super::{Arrival, Environment, Kept, Verdict, decide::hook_mark, enforce::Enforced, place, prefixes};
use crate::{
    bytes::Bytes,
    counter::Counter,
    flow::{Packet, SlotKey},
    headers::{self, Ports},
    http,
    settings::{PortKind, port},
    slot::{Side, tcp},
    smb,
    topbits::Answer,
};

/// Counts a plain TCP packet with a port of this `service`, of which `read` gives the offsets. `None` if the rest of the path has to
/// decide about it: it may bring something new.
///
/// Headers are read anew after each call of a helper: a value that is kept across one takes a write to the stack and a read.
#[inline(always)]
pub fn process_known<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    read: impl Fn(B) -> Option<Ports>,
    service: PortKind,
    arrival: &Arrival,
) -> Option<Verdict> {
    let ports = read(frame)?;
    let tcp: TcpHeader = frame.load(ports.segment_at())?;
    if tcp.flags & (tcp::SYN | tcp::FIN | tcp::RST) != 0 || service.has(port::RPC) {
        return None;
    }
    let view = env.view()?;
    let (source, destination) = headers::addresses(frame, &ports)?;
    let from = prefixes::answer_of(env, view, ports.family, &source);
    let to = prefixes::answer_of(env, view, ports.family, &destination);
    // Such answers are all that is known of an address: it has no exemption, and is on no list.
    match (from, to) {
        (Answer::Internal, Answer::Internal) => {
            env.count_passed(Counter::Lateral);
            Some(Verdict::Passed(Counter::Lateral))
        }
        (Answer::Internal, Answer::Nothing) => count_from(env, frame, read, Side::Local, arrival),
        (Answer::Nothing, Answer::Internal) => count_from(env, frame, read, Side::Remote, arrival),
        _ => None,
    }
}

/// The same for a packet from `side`, which is a constant.
#[inline(always)]
fn count_from<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    read: impl Fn(B) -> Option<Ports>,
    side: Side,
    arrival: &Arrival,
) -> Option<Verdict> {
    let now = env.now();
    let cpu = env.cpu();
    let key = key_of(frame, &read(frame)?, side, arrival.ifindex)?;
    let mut slot = env.slot(cpu, key.slot_index(env.seed(), env.slots_per_cpu()))?;
    let ports = read(frame)?;
    let is_own = slot.holds(&key_of(frame, &ports, side, arrival.ifindex)?)
        && now.wrapping_sub(slot.line.last) <= env.idle_ticks();
    if !is_own {
        return None;
    }
    let packet = packet_of(frame, &ports, side, arrival)?;
    if !slot.only_counts(&packet) || !place::is_within_message(&slot, &packet) {
        return None;
    }
    slot.count(&packet, now);
    env.count_kept(Kept { replaced: false, enforced: Enforced::Pass });
    Some(Verdict::Kept)
}

/// The flow of a packet from `side`.
#[inline(always)]
fn key_of<B: Bytes + Copy>(frame: B, ports: &Ports, side: Side, ifindex: u32) -> Option<SlotKey> {
    let (source, destination) = headers::addresses(frame, ports)?;
    let (local, remote, local_port, remote_port) = match side {
        Side::Local => (source, destination, ports.source, ports.destination),
        Side::Remote => (destination, source, ports.destination, ports.source),
    };
    let Ports { family, transport, .. } = *ports;
    Some(SlotKey { family, transport, ifindex, local, remote, local_port, remote_port })
}

/// The TCP header but for its options, and its ports (RFC 9293 3.1).
#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct TcpHeader {
    _ports: [u16; 2],
    sequence: u32,
    _acknowledgment: u32,
    offset: u8,
    flags: u8,
    _window: u16,
    _checksum: u16,
    _urgent: u16,
}

/// A packet that may add nothing but counts: its payload begins as no message does.
#[inline(always)]
fn packet_of<B: Bytes + Copy>(frame: B, ports: &Ports, side: Side, arrival: &Arrival) -> Option<Packet> {
    let tcp: TcpHeader = frame.load(ports.segment_at())?;
    let header_len = usize::from(tcp.offset >> 4) * 4;
    let payload_at = ports.segment_at() + header_len;
    let before = (payload_at - ports.network_at()) as u32;
    if header_len < size_of::<TcpHeader>() || ports.ip_len < before {
        return None;
    }
    let payload = ports.ip_len - before;
    if payload >= smb::PROBE_LEN {
        let probe = frame.load::<smb::Probe>(payload_at)?;
        if smb::may_open(probe) || http::may_be_webdav(probe) {
            return None;
        }
    }
    Some(Packet {
        side,
        tcp_flags: tcp.flags & tcp::ACK,
        sequence: u32::from_be(tcp.sequence),
        marks: hook_mark(arrival.hook),
        bytes: ports.ip_len,
        payload,
        vlan: ports.vlan,
        cpu: 0,
    })
}
