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
    headers::{self, Address, NoPorts, Ports},
    prefix::PrefixFlags,
    settings::{PortKind, Settings, feature},
    slot::{Hook, RecordKind, Side, Slot, TCP, mark},
    smb::{self, Opening},
    topbits::{Answer, Top, place_v4, place_v6},
};

/// What the path needs around it.
pub trait Environment {
    /// A hold on one slot that leaves the environment free for use.
    type Slot: DerefMut<Target = Slot>;

    /// Which [`feature`]s are on.
    fn features(&self) -> u32;
    /// Load-time settings.
    fn settings(&self) -> Settings;
    /// What is known of the port (wire order) of this transport.
    fn port_kind(&self, transport: u8, port: u16) -> PortKind;
    /// Notes that SMB was recognised on this TCP port (wire order).
    fn suspect(&mut self, port: u16);
    /// Gives back what it is given. In the kernel it takes a detour through memory that the verifier knows nothing about, so
    /// that what follows is verified once and not once for every way to get here.
    fn forget(&mut self, ports: Ports) -> Ports;
    /// The prefix view in force; a packet asks once.
    fn view(&self) -> u32;
    /// Entry of the first IPv4 table.
    fn top_v4(&self, view: u32, index: u32) -> u32;
    /// Word of an IPv4 block.
    fn block_v4(&self, view: u32, block: u32, word: usize) -> u64;
    /// Entry of the first IPv6 table.
    fn top_v6(&self, view: u32, index: u32) -> u32;
    /// Word of an IPv6 block.
    fn block_v6(&self, view: u32, block: u32, word: u32) -> u64;
    /// Flags of the longest IPv4 prefix that covers the address (wire order).
    fn walk_v4(&self, view: u32, address: u32) -> PrefixFlags;
    /// Flags of the longest IPv6 prefix that covers the address.
    fn walk_v6(&self, view: u32, address: &Address) -> PrefixFlags;
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
    /// Counts a watched packet as seen, and under its outcome.
    #[inline(always)]
    fn count_outcome(&mut self, outcome: Counter) {
        self.count(Counter::Seen, 1);
        self.count(outcome, 1);
    }
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
    /// Not Windows networking.
    Foreign,
    /// No way to tell: why.
    Unjudged(NoPorts),
    /// Watched, and not kept for this reason.
    Passed(Counter),
    /// Accounted to its flow.
    Kept,
}

/// Why a packet is looked at more closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interest {
    /// A port of it is watched.
    Service(Server),
    /// It begins with an SMB message on some other port.
    Recognised(Server),
    /// SMB was recognised on a port of it: it counts only if its own flow is in a slot.
    Suspected,
}

/// Takes one frame down the path.
#[inline(always)]
pub fn watch<E: Environment, B: Bytes + ?Sized>(env: &mut E, frame: &B, arrival: Arrival) -> Verdict {
    let features = env.features();
    let ports = match headers::ports(frame, arrival.vlan, features & feature::TUNNELS != 0) {
        Ok(ports) => ports,
        Err(NoPorts::Foreign) => return Verdict::Foreign,
        Err(reason) => return Verdict::Unjudged(reason),
    };
    let Some(interest) = interest(env, frame, &ports, &arrival) else { return Verdict::Foreign };
    let ports = env.forget(ports);
    closer(env, frame, &ports, interest, &arrival)
}

/// Takes a frame down the path of which a first [`glance`](crate::glance) told where everything is.
#[inline(always)]
pub fn watch_plain<E: Environment, B: Bytes + ?Sized>(
    env: &mut E,
    frame: &B,
    ports: &Ports,
    arrival: Arrival,
) -> Verdict {
    match interest(env, frame, ports, &arrival) {
        Some(interest) => closer(env, frame, ports, interest, &arrival),
        None => Verdict::Foreign,
    }
}

/// Why a packet is to be looked at more closely, if it is.
#[inline(always)]
fn interest<E: Environment, B: Bytes + ?Sized>(
    env: &E,
    frame: &B,
    ports: &Ports,
    arrival: &Arrival,
) -> Option<Interest> {
    let source = env.port_kind(ports.transport, ports.source);
    let destination = env.port_kind(ports.transport, ports.destination);
    Some(match (source, destination) {
        (PortKind::Foreign, PortKind::Foreign) => {
            let any_port = env.features() & feature::SMB_ON_ANY_PORT != 0;
            if !any_port || arrival.frame_len < smb::SHORTEST_FRAME || ports.transport != TCP {
                return None;
            }
            Interest::Recognised(recognise(frame, ports, arrival)?)
        }
        (PortKind::Service, PortKind::Service) => Interest::Service(Server::Either),
        (PortKind::Service, _) => Interest::Service(Server::Source),
        (_, PortKind::Service) => Interest::Service(Server::Destination),
        _ => match recognise(frame, ports, arrival) {
            Some(server) => Interest::Recognised(server),
            None => Interest::Suspected,
        },
    })
}

/// Counts a frame that could not be judged. Apart from [`watch`], so that a hook may try again with more of the frame.
#[inline(always)]
pub fn count_unjudged<E: Environment>(env: &mut E, verdict: Verdict) {
    let Verdict::Unjudged(reason) = verdict else { return };
    let counter = match reason {
        NoPorts::Foreign => return,
        NoPorts::Short => Counter::ShortFrame,
        NoPorts::LaterFragment => Counter::Fragment,
        NoPorts::EvasiveFragment => Counter::EvasiveFragment,
        NoPorts::LongExtensionChain => Counter::LongExtensionChain,
        NoPorts::UnknownLink => Counter::UnknownLink,
    };
    env.count(counter, 1);
}

/// Whether the payload begins with SMB, and which end is the server.
#[inline(always)]
fn recognise<B: Bytes + ?Sized>(frame: &B, ports: &Ports, arrival: &Arrival) -> Option<Server> {
    let segment = headers::segment(frame, ports, ip_len(ports, arrival))?;
    if segment.payload_len < smb::PROBE_LEN {
        return None;
    }
    match smb::opening(frame.load_deep(segment.payload_at)?) {
        Opening::Other => None,
        opening => Some(smb::server(frame, segment.payload_at, opening, ports.source, ports.destination)),
    }
}

#[inline(always)]
const fn ip_len(ports: &Ports, arrival: &Arrival) -> u32 {
    if ports.ip_len == 0 { arrival.frame_len.saturating_sub(ports.network) } else { ports.ip_len }
}

/// A packet that may be ours: judges and accounts it, and counts what became of it. One that is here for its content
/// counts as seen only when it is kept.
#[inline(always)]
fn closer<E: Environment, B: Bytes + ?Sized>(
    env: &mut E,
    frame: &B,
    ports: &Ports,
    interest: Interest,
    arrival: &Arrival,
) -> Verdict {
    let outcome = judge(env, frame, ports, interest, arrival);
    let kept = outcome as u32 == Counter::Kept as u32;
    if !kept && !matches!(interest, Interest::Service(_)) {
        return Verdict::Foreign;
    }
    env.count_outcome(outcome);
    if kept { Verdict::Kept } else { Verdict::Passed(outcome) }
}

/// The outcome of a packet.
#[inline(always)]
fn judge<E: Environment, B: Bytes + ?Sized>(
    env: &mut E,
    frame: &B,
    ports: &Ports,
    interest: Interest,
    arrival: &Arrival,
) -> Counter {
    let Some((source, destination)) = headers::addresses(frame, ports) else {
        return Counter::ShortTransport;
    };
    let server = match interest {
        Interest::Service(server) | Interest::Recognised(server) => server,
        Interest::Suspected => Server::Either,
    };
    let view = env.view();
    let from = flags_of(env, view, ports.family, &source);
    let to = flags_of(env, view, ports.family, &destination);
    let side = match crossing(from, to, server) {
        Ok(side) => side,
        Err(reason) => return reason,
    };
    let ip_len = ip_len(ports, arrival);
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
    if ports.tunnelled {
        marks |= mark::TUNNELLED;
    }
    if ports.transport == TCP && segment.payload_len >= smb::PROBE_LEN {
        marks |= smb_mark(frame, segment.payload_at, side);
    }
    if let Interest::Recognised(server) = interest {
        marks |= server_mark(server, side);
        env.suspect(if let Server::Source = server { ports.source } else { ports.destination });
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
    account(env, &key, &packet, !matches!(interest, Interest::Suspected))
}

/// Finds the packet's slot, accounts it there and tells the agent what is new. Unless it `may_open` a flow, it is
/// accounted only where its flow is in the slot.
#[inline(always)]
fn account<E: Environment>(env: &mut E, key: &FlowKey, packet: &Packet, may_open: bool) -> Counter {
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
        // Not ours: the caller does not count it.
        _ if !may_open => return Counter::NoSlot,
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

/// Prefix flags of an address: from the top-bits tables where they say it, else from the trie.
#[inline(always)]
pub fn flags_of<E: Environment>(env: &E, view: u32, family: u8, address: &Address) -> PrefixFlags {
    if family == 4 { flags_v4(env, view, address[3]) } else { flags_v6(env, view, address) }
}

#[inline(always)]
fn flags_v4<E: Environment>(env: &E, view: u32, address: u32) -> PrefixFlags {
    let (top, word, shift) = place_v4(address);
    let answer = match Top::from_entry(env.top_v4(view, top)) {
        Top::Uniform(answer) => answer,
        Top::Block(block) => Answer::from_bits(env.block_v4(view, block, word) >> shift),
    };
    match answer.flags() {
        Some(flags) => flags,
        None => env.walk_v4(view, address),
    }
}

#[inline(always)]
fn flags_v6<E: Environment>(env: &E, view: u32, address: &Address) -> PrefixFlags {
    let (top, word, shift) = place_v6(address);
    let answer = match Top::from_entry(env.top_v6(view, top)) {
        Top::Uniform(answer) => answer,
        Top::Block(block) => Answer::from_bits(env.block_v6(view, block, word) >> shift),
    };
    match answer.flags() {
        Some(flags) => flags,
        None => walk_wide(env, view, address),
    }
}

/// The trie's answer for an IPv6 address, and that for the IPv4 address inside it.
#[inline(never)]
fn walk_wide<E: Environment>(env: &E, view: u32, address: &Address) -> PrefixFlags {
    let flags = env.walk_v6(view, address);
    match embedded_ipv4(address) {
        Some(inner) => flags.union(env.walk_v4(view, inner)),
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

/// The mark for an SMB message from `side`, if the payload begins with one.
#[inline(always)]
fn smb_mark<B: Bytes + ?Sized>(frame: &B, payload_at: usize, side: Side) -> u16 {
    let Some(probe) = frame.load_deep::<smb::Probe>(payload_at) else { return 0 };
    match (smb::opening(probe), side) {
        (Opening::Message, Side::Local) => mark::SMB_FROM_LOCAL,
        (Opening::Message, Side::Remote) => mark::SMB_FROM_REMOTE,
        _ => 0,
    }
}

/// Which side an SMB message on an unwatched port shows to be the server.
#[inline(always)]
const fn server_mark(server: Server, sender: Side) -> u16 {
    match (server, sender) {
        (Server::Source, Side::Local) | (Server::Destination, Side::Remote) => mark::SERVER_IS_LOCAL,
        (Server::Source, Side::Remote) | (Server::Destination, Side::Local) => mark::SERVER_IS_REMOTE,
        (Server::Either, _) => 0,
    }
}
