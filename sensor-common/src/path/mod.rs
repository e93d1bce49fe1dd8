//! The one path of a packet: ports → service → addresses → classify → enforce → flow → emit → capture.
//!
//! Written once over an [`Environment`]; the kernel hooks and the host engine are thin environments. Never fails: every
//! way out is a [`Verdict`] and, for a watched packet, a counter.

mod account;
mod capture;
mod enforce;
mod prefixes;

use core::{
    borrow::Borrow,
    ops::{Deref, DerefMut},
};

use self::{
    account::{Accounted, account},
    enforce::Enforced,
};
pub use self::{
    capture::{MOST_PIECES, capture},
    prefixes::flags_of,
};
use crate::{
    bytes::Bytes,
    classify::{Server, crossing},
    counter::Counter,
    flow::{FlowKey, Packet},
    headers::{self, Address, NoPorts, Ports},
    payload::{Content, Piece, Room},
    prefix::PrefixFlags,
    settings::{PortKind, feature, port},
    slot::{Hook, RecordKind, Side, Slot, TCP, mark},
    smb::{self, Opening},
};

/// What the path needs around it.
pub trait Environment {
    /// A hold on one slot that leaves the environment free for use.
    type Slot: DerefMut<Target = Slot>;
    /// A hold on room for a piece of payload.
    type Room: DerefMut<Target = Room>;
    /// A hold on the addresses of a packet.
    type Ends: Deref<Target = [Address; 2]>;
    /// A record of which the first half is written.
    type Replaced;
    /// A prefix view.
    type View: Copy;

    /// Which [`feature`]s are on.
    fn features(&self) -> u32;
    /// Secret of the slot hash.
    fn seed(&self) -> [u64; 2];
    /// Slots of each CPU; a power of two.
    fn slots_per_cpu(&self) -> u32;
    /// Ticks after which a slot that nobody touched starts a new flow.
    fn idle_ticks(&self) -> u32;
    /// What is known of the port (wire order) of this transport.
    fn port_kind(&self, transport: u8, port: u16) -> PortKind;
    /// Notes that SMB was recognised on this TCP port (wire order).
    fn suspect(&mut self, port: u16);
    /// Keeps both addresses of a packet where they take no room on the stack, of which a kernel program has little.
    fn keep_ends(&mut self, ends: [Address; 2]) -> Option<Self::Ends>;
    /// The prefix view in force, or `None` when there is none (a load-time mistake); a packet asks once.
    fn view(&self) -> Option<Self::View>;
    /// The number of a view.
    fn number(view: Self::View) -> u32;
    /// Word of the IPv4 table.
    fn table_v4(&self, view: Self::View, word: usize) -> u64;
    /// Word of the leaf of an IPv4 /24 (its number); all ones where there is none.
    fn leaf_v4(&self, view: u32, network: u32, word: usize) -> u64;
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
    /// Begins a [`RecordKind::Replaced`] record with the IPv4 flow in `slot`; `None` when the ring is full.
    fn begin_replaced(&mut self, slot: &Slot) -> Option<Self::Replaced>;
    /// Completes it with the IPv4 flow that took the slot, and hands it over.
    fn complete_replaced(&mut self, record: Self::Replaced, slot: &Slot);
    /// Room for a piece of payload.
    fn room(&mut self) -> Option<Self::Room>;
    /// Hands over a piece of payload; `false` when the ring is full.
    fn emit_piece(&mut self, piece: &Piece) -> bool;
    /// Whether enforcement is in force at this tick.
    fn enforces(&self, now: u32) -> bool;
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
    /// Accounted to its flow, and its payload may be evidence: [`capture`] is to look at it.
    Evident,
    /// Accounted to its flow, and to be dropped.
    Dropped,
}

/// What is known of the ports of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Of its source port.
    pub source: PortKind,
    /// Of its destination port.
    pub destination: PortKind,
}

impl Kinds {
    #[inline(always)]
    fn of<E: Environment>(env: &E, ports: &Ports) -> Self {
        Self {
            source: env.port_kind(ports.transport, ports.source),
            destination: env.port_kind(ports.transport, ports.destination),
        }
    }
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

/// A packet that may be ours.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    ports: Ports,
    kinds: Kinds,
    interest: Interest,
}

/// Takes one frame down the path.
#[inline(always)]
pub fn watch<E: Environment, B: Bytes + Copy>(env: &mut E, frame: B, arrival: Arrival) -> Verdict {
    match find(env, frame, arrival) {
        Ok(found) => watch_found(env, frame, &found, arrival),
        Err(verdict) => verdict,
    }
}

/// The first half of [`watch`]: whether a packet may be ours.
///
/// # Errors
/// The verdict on one that is not.
#[inline(always)]
pub fn find<E: Environment, B: Bytes + Copy>(env: &E, frame: B, arrival: Arrival) -> Result<Found, Verdict> {
    let ports = match headers::ports(frame, arrival.vlan, env.features() & feature::TUNNELS != 0) {
        Ok(ports) => ports,
        Err(NoPorts::Foreign) => return Err(Verdict::Foreign),
        Err(reason) => return Err(Verdict::Unjudged(reason)),
    };
    let kinds = Kinds::of(env, &ports);
    match interest(env, frame, &ports, kinds, &arrival) {
        Some(interest) => Ok(Found { ports, kinds, interest }),
        None => Err(Verdict::Foreign),
    }
}

/// The second half: judges and accounts what was found.
#[inline(always)]
pub fn watch_found<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    found: &Found,
    arrival: Arrival,
) -> Verdict {
    closer::<_, _, false>(env, frame, &found.ports, found.kinds, found.interest, &arrival)
}

/// Takes a frame down the path of which a first [`glance`](crate::glance) told where everything is, and that one port of it,
/// that of the `server`, is a watched `service`.
#[inline(always)]
pub fn watch_plain<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    ports: &Ports,
    (server, service): (Server, PortKind),
    arrival: Arrival,
) -> Verdict {
    let kinds = match server {
        Server::Source => Kinds { source: service, destination: PortKind::FOREIGN },
        _ => Kinds { source: PortKind::FOREIGN, destination: service },
    };
    closer::<_, _, true>(env, frame, ports, kinds, Interest::Service(server), &arrival)
}

/// Why a packet is to be looked at more closely, if it is.
#[inline(always)]
fn interest<E: Environment, B: Bytes + Copy>(
    env: &E,
    frame: B,
    ports: &Ports,
    kinds: Kinds,
    arrival: &Arrival,
) -> Option<Interest> {
    let Kinds { source, destination } = kinds;
    Some(match (source.is_service(), destination.is_service()) {
        (true, true) => Interest::Service(Server::Either),
        (true, false) => Interest::Service(Server::Source),
        (false, true) => Interest::Service(Server::Destination),
        _ if source.is_foreign() && destination.is_foreign() => {
            let any_port = env.features() & feature::SMB_ON_ANY_PORT != 0;
            if !any_port || arrival.frame_len < smb::SHORTEST_FRAME || ports.transport != TCP {
                return None;
            }
            Interest::Recognised(recognise(frame, ports, arrival)?)
        }
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
fn recognise<B: Bytes + Copy>(frame: B, ports: &Ports, arrival: &Arrival) -> Option<Server> {
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
fn closer<E: Environment, B: Bytes + Copy, const HELD: bool>(
    env: &mut E,
    frame: B,
    ports: &Ports,
    kinds: Kinds,
    interest: Interest,
    arrival: &Arrival,
) -> Verdict {
    let verdict = judge::<_, _, HELD>(env, frame, ports, kinds, interest, arrival);
    let outcome = match verdict {
        Verdict::Passed(outcome) if matches!(interest, Interest::Service(_)) => outcome,
        Verdict::Kept | Verdict::Evident | Verdict::Dropped => Counter::Kept,
        _ => return Verdict::Foreign,
    };
    env.count_outcome(outcome);
    verdict
}

/// The verdict on a packet. With `HELD` its addresses are held in registers.
#[inline(always)]
fn judge<E: Environment, B: Bytes + Copy, const HELD: bool>(
    env: &mut E,
    frame: B,
    ports: &Ports,
    kinds: Kinds,
    interest: Interest,
    arrival: &Arrival,
) -> Verdict {
    let Some((source, destination)) = headers::addresses(frame, ports) else {
        return Verdict::Passed(Counter::ShortTransport);
    };
    let server = match interest {
        Interest::Service(server) | Interest::Recognised(server) => server,
        Interest::Suspected => Server::Either,
    };
    // IPv6 addresses are too much for the registers, and for the stack.
    if !HELD {
        let Some(ends) = env.keep_ends([source, destination]) else {
            return Verdict::Passed(Counter::NoSlot);
        };
        let [source, destination] = &*ends;
        return judge_between(env, frame, (ports, kinds), (source, destination), (interest, server), arrival);
    }
    judge_between(env, frame, (ports, kinds), (source, destination), (interest, server), arrival)
}

/// The verdict on a packet between these ends, addresses or references to them.
#[inline(always)]
fn judge_between<E: Environment, B: Bytes + Copy, A: Borrow<Address> + Copy>(
    env: &mut E,
    frame: B,
    (ports, kinds): (&Ports, Kinds),
    (source, destination): (A, A),
    (interest, server): (Interest, Server),
    arrival: &Arrival,
) -> Verdict {
    let Some(view) = env.view() else { return Verdict::Passed(Counter::NoSlot) };
    let from = flags_of(env, view, ports.family, source.borrow());
    let to = flags_of(env, view, ports.family, destination.borrow());
    let side = match crossing(from, to, server) {
        Ok(side) => side,
        Err(reason) => return Verdict::Passed(reason),
    };
    let ip_len = ip_len(ports, arrival);
    let Some(segment) = headers::segment(frame, ports, ip_len) else {
        return Verdict::Passed(Counter::ShortTransport);
    };

    let mut marks = hook_mark(arrival.hook);
    if ports.first_fragment {
        marks |= mark::FRAGMENTED;
    }
    if ports.tunnelled {
        marks |= mark::TUNNELLED;
    }
    let mut content = Content {
        side: side as u8,
        payload: segment.payload_len,
        opening: 0,
        rpc: (kinds.source.0 | kinds.destination.0) & port::RPC,
        reserved: 0,
        slot: 0,
        segment_at: ports.segment_at() as u32,
        payload_at: segment.payload_at as u32,
        reserved_too: 0,
    };
    if ports.transport == TCP
        && segment.payload_len >= smb::PROBE_LEN
        && let Some(probe) = frame.load_deep::<smb::Probe>(segment.payload_at)
    {
        let opening = smb::opening(probe);
        content.opening = opening.byte();
        marks |= message_mark(opening, side);
    }
    if let Interest::Recognised(server) = interest {
        marks |= server_mark(server, side);
        env.suspect(if let Server::Source = server { ports.source } else { ports.destination });
    }
    let mut enforced = Enforced::Pass;
    if ports.transport == TCP
        && enforce::opens(segment.tcp_flags)
        && let Interest::Service(Server::Destination | Server::Either) = interest
    {
        enforced = enforce::enforce(env, (from, to), side, kinds.destination);
        if let Enforced::Drop = enforced {
            marks |= mark::DROPPED;
        }
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
    let may_open = !matches!(interest, Interest::Suspected);
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
    let accounted = account(env, &key, &packet, content, may_open);
    match (accounted, enforced) {
        (Accounted::Not, _) => Verdict::Passed(Counter::NoSlot),
        (_, Enforced::Drop) => Verdict::Dropped,
        (Accounted::Evident, _) => Verdict::Evident,
        (Accounted::Kept, _) => Verdict::Kept,
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

/// The marks for an SMB message from `side`, if the payload begins with one.
#[inline(always)]
const fn message_mark(opening: Opening, side: Side) -> u16 {
    let Opening::Message(identifier) = opening else { return 0 };
    let from = match side {
        Side::Local => mark::SMB_FROM_LOCAL,
        Side::Remote => mark::SMB_FROM_REMOTE,
    };
    match identifier {
        smb::TRANSFORMED => from | mark::ENCRYPTED,
        smb::COMPRESSED => from | mark::COMPRESSED,
        _ => from,
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
