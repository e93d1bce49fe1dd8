//! The one path of a packet: ports → service → addresses → classify → flow → emit.
//!
//! Written once over an [`Environment`]; the kernel hooks and the host engine are thin environments. Never fails: every
//! way out is a [`Verdict`] and, for a watched packet, a counter.

use core::ops::DerefMut;

use crate::{
    bytes::Bytes,
    classify::{Server, crossing, embedded_ipv4},
    counter::Counter,
    flow::{FlowKey, Packet, Tenancy},
    headers::{self, Address, NoPorts},
    prefix::PrefixFlags,
    settings::Settings,
    slot::{Hook, RecordKind, Side, Slot, TCP, mark},
};

/// What the path needs around it.
pub trait Environment {
    /// A hold on one slot that leaves the environment free for use.
    type Slot: DerefMut<Target = Slot>;

    /// Whether the port (wire order) is watched for this transport.
    fn is_service(&self, transport: u8, port: u16) -> bool;
    /// Flags of the longest IPv4 prefix that covers the address (wire order).
    fn prefix_v4(&self, address: u32) -> PrefixFlags;
    /// Flags of the longest IPv6 prefix that covers the address.
    fn prefix_v6(&self, address: &Address) -> PrefixFlags;
    /// Load-time settings.
    fn settings(&self) -> Settings;
    /// Kernel ticks, low 32 bits.
    fn now(&self) -> u32;
    /// The CPU at work.
    fn cpu(&self) -> u16;
    /// Slot `index` of `cpu`, or `None` when there is no such slot.
    fn slot(&mut self, cpu: u16, index: u32) -> Option<Self::Slot>;
    /// Hands a record to the agent; `false` when the ring is full.
    fn emit(&mut self, kind: RecordKind, slot: &Slot) -> bool;
    /// Adds to a counter.
    fn count(&mut self, counter: Counter, by: u64);
}

/// What the hook knows of a frame besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Hook that saw it.
    pub hook: Hook,
    /// Interface it passed.
    pub ifindex: u32,
    /// Length of the whole frame, bytes.
    pub frame_len: u32,
    /// VLAN tag that is no longer in the frame, as in [`headers::Ports::vlan`], or 0.
    pub vlan: u16,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not Windows networking, or no way to tell.
    Foreign,
    /// Watched, and not kept for this reason.
    Passed(Counter),
    /// Accounted to its flow.
    Kept,
}

/// Takes one frame down the path.
#[inline(always)]
pub fn watch<E: Environment, B: Bytes + ?Sized>(env: &mut E, frame: &B, arrival: Arrival) -> Verdict {
    let ports = match headers::ports(frame, arrival.vlan) {
        Ok(ports) => ports,
        Err(reason) => return unjudged(env, reason),
    };
    let server = match (
        env.is_service(ports.transport, ports.source),
        env.is_service(ports.transport, ports.destination),
    ) {
        (false, false) => return Verdict::Foreign,
        (true, false) => Server::Source,
        (false, true) => Server::Destination,
        (true, true) => Server::Either,
    };
    env.count(Counter::Seen, 1);
    let outcome = judge(env, frame, &ports, server, &arrival);
    env.count(outcome, 1);
    if outcome as u32 == Counter::Kept as u32 {
        Verdict::Kept
    } else {
        Verdict::Passed(outcome)
    }
}

#[inline(always)]
fn unjudged<E: Environment>(env: &mut E, reason: NoPorts) -> Verdict {
    match reason {
        NoPorts::Foreign => {}
        NoPorts::Short => env.count(Counter::ShortFrame, 1),
        NoPorts::LaterFragment => env.count(Counter::Fragment, 1),
        NoPorts::LongExtensionChain => env.count(Counter::LongExtensionChain, 1),
    }
    Verdict::Foreign
}

/// The outcome of a packet on a watched port.
#[inline(always)]
fn judge<E: Environment, B: Bytes + ?Sized>(
    env: &mut E,
    frame: &B,
    ports: &headers::Ports,
    server: Server,
    arrival: &Arrival,
) -> Counter {
    let Some((source, destination)) = headers::addresses(frame, ports) else {
        return Counter::ShortTransport;
    };
    let from = flags_of(env, ports.family, &source);
    let to = flags_of(env, ports.family, &destination);
    let side = match crossing(from, to, server) {
        Ok(side) => side,
        Err(reason) => return reason,
    };
    let ip_len = if ports.ip_len == 0 {
        arrival.frame_len - ports.network as u32
    } else {
        ports.ip_len
    };
    let Some(segment) = headers::segment(frame, ports, ip_len) else {
        return Counter::ShortTransport;
    };

    let (local, remote, local_port, remote_port) = match side {
        Side::Local => (source, destination, ports.source, ports.destination),
        Side::Remote => (destination, source, ports.destination, ports.source),
    };
    let key = FlowKey {
        family: ports.family,
        transport: ports.transport,
        ifindex: arrival.ifindex,
        local,
        remote,
        local_port,
        remote_port,
    };
    let mut marks = hook_mark(arrival.hook);
    if ports.first_fragment {
        marks |= mark::FRAGMENTED;
    }
    if ports.transport == TCP && segment.payload_len >= SMB_PROBE_LEN {
        marks |= smb_mark(frame, segment.payload_at, side);
    }
    let packet = Packet {
        side,
        tcp_flags: segment.tcp_flags,
        marks,
        bytes: ip_len,
        payload: segment.payload_len,
        vlan: ports.vlan,
        cpu: env.cpu(),
    };
    account(env, &key, &packet)
}

/// Finds the packet's slot, accounts it there and tells the agent what is new.
#[inline(always)]
fn account<E: Environment>(env: &mut E, key: &FlowKey, packet: &Packet) -> Counter {
    let settings = env.settings();
    let now = env.now();
    let Some(mut slot) = env.slot(packet.cpu, key.slot_index(&settings)) else {
        return Counter::NoSlot;
    };
    match slot.tenancy(key, packet, now, settings.idle_ticks) {
        Tenancy::Own => {
            go_on(env, &mut slot, packet, now);
            return Counter::Kept;
        }
        Tenancy::Other => {
            env.count(Counter::Evicted, 1);
            settle(env, &slot);
        }
        Tenancy::Vacant => {}
    }
    slot.open(key, packet, now);
    tell(env, RecordKind::Opened, Counter::LostOpened, &slot);
    Counter::Kept
}

/// One more packet of the flow in `slot`.
#[inline(always)]
fn go_on<E: Environment>(env: &mut E, slot: &mut Slot, packet: &Packet, now: u32) {
    let change = slot.line.add(packet, now);
    if change.closed {
        tell(env, RecordKind::Closed, Counter::LostClosed, slot);
    } else if change.rose {
        tell(env, RecordKind::Rose, Counter::LostRose, slot);
    }
    if change.full {
        settle(env, slot);
        slot.line.clear_counts();
    }
}

#[inline(always)]
fn settle<E: Environment>(env: &mut E, slot: &Slot) {
    if !tell(env, RecordKind::Settled, Counter::LostSettled, slot) {
        env.count(Counter::LostPackets, slot.line.total_packets());
    }
}

/// Hands over a record and counts what became of it. Out of line: it is the rare part of the path.
#[inline(never)]
fn tell<E: Environment>(env: &mut E, kind: RecordKind, lost: Counter, slot: &Slot) -> bool {
    let sent = env.emit(kind, slot);
    env.count(if sent { Counter::RecordsSent } else { lost }, 1);
    sent
}

#[inline(always)]
fn flags_of<E: Environment>(env: &E, family: u8, address: &Address) -> PrefixFlags {
    if family == 4 {
        return env.prefix_v4(address[3]);
    }
    let flags = env.prefix_v6(address);
    match embedded_ipv4(address) {
        Some(inner) => flags.union(env.prefix_v4(inner)),
        None => flags,
    }
}

#[inline(always)]
const fn hook_mark(hook: Hook) -> u16 {
    match hook {
        Hook::XdpIngress => mark::HOOK_XDP_INGRESS,
        Hook::TcIngress => mark::HOOK_TC_INGRESS,
        Hook::TcEgress => mark::HOOK_TC_EGRESS,
    }
}

/// NetBIOS session header and SMB protocol identifier.
const SMB_PROBE_LEN: u32 = 8;

/// Whether the payload begins with an SMB message: a session message header (RFC 1002 4.3.1) and then FF, FE, FD or FC
/// and "SMB" (MS-CIFS 2.2.3.1, MS-SMB2 2.2.1, 2.2.41, 2.2.42).
#[inline(always)]
fn smb_mark<B: Bytes + ?Sized>(frame: &B, payload_at: usize, side: Side) -> u16 {
    let Some(probe) = frame.load_deep::<[u8; 8]>(payload_at) else {
        return 0;
    };
    if probe[0] != 0 || probe[4] < 0xFC || probe[5] != b'S' || probe[6] != b'M' || probe[7] != b'B' {
        return 0;
    }
    match side {
        Side::Local => mark::SMB_FROM_LOCAL,
        Side::Remote => mark::SMB_FROM_REMOTE,
    }
}
