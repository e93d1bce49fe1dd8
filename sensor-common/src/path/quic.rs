//! QUIC: hands up the Initial packets of clients, and accounts the flows that the agent asked for.
//!
//! Takes a UDP packet without a watched port, to a port of QUIC or on a port of a flow that the agent asked for. An Initial
//! packet takes no slot and makes no record: the agent reads the ClientHello in it, and forgets it unless it offers SMB.

use super::{
    Arrival, Environment, Interest, Kinds, Parsed, Unaccounted, Verdict, capture::least, decide::hook_mark,
    enforce::Enforced, ip_len, prefixes::flags_of,
};
use crate::{
    bytes::Bytes,
    classify::{Server, crossing},
    counter::Counter,
    flow::{Packet, SlotKey},
    headers::{self, Address, Ports, Segment},
    payload::{Content, MAX_PIECE_LEN, PieceHead, PieceKind},
    prefix::PrefixFlags,
    quic::{SHORTEST_INITIAL, START_LEN, flow_key, is_initial},
    settings::port,
    slot::{RECORD_VERSION, RecordKind, Side, UDP, mark},
};

/// Whether a packet has to be looked at: its port is marked because of a flow that is counted, or it begins with an Initial packet to
/// a port of QUIC.
#[inline(always)]
pub(super) fn is_called_for<B: Bytes + Copy>(
    frame: B,
    ports: &Ports,
    kinds: Kinds,
    arrival: &Arrival,
) -> bool {
    if (kinds.source.0 | kinds.destination.0) & port::SUSPECT != 0 {
        return true;
    }
    kinds.destination.has(port::QUIC)
        && headers::segment(frame, ports, ip_len(frame, ports, arrival))
            .is_some_and(|segment| begins_initial(frame, &segment))
}

#[inline(always)]
fn begins_initial<B: Bytes + Copy>(frame: B, segment: &Segment) -> bool {
    segment.payload_len >= SHORTEST_INITIAL
        && frame.load_deep::<[u8; START_LEN]>(segment.payload_at).is_some_and(is_initial)
}

/// Decides about such a packet.
///
/// # Errors
/// The verdict on one that is not to be accounted.
#[inline(always)]
pub fn decide_quic<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    Parsed { ports, kinds, .. }: &Parsed,
    arrival: &Arrival,
) -> Result<(Unaccounted, E::Ends), Verdict> {
    let Some((source, destination)) = headers::addresses(frame, ports) else {
        return Err(Verdict::Foreign);
    };
    let (Some(ends), Some(view)) = (env.keep_ends([source, destination]), env.view()) else {
        return Err(Verdict::Foreign);
    };
    let from = flags_of(env, view, ports.family, &ends[0]);
    let to = flags_of(env, view, ports.family, &ends[1]);
    // Exemptions are the agent's: whether they apply is known only once the ClientHello was read.
    let Ok(side) = crossing(from, to, Server::Either) else { return Err(Verdict::Foreign) };
    let ip_len = ip_len(frame, ports, arrival);
    let Some(segment) = headers::segment(frame, ports, ip_len) else { return Err(Verdict::Foreign) };
    let flow = Flow::of(ports, side, &ends);
    if (kinds.source.0 | kinds.destination.0) & port::SUSPECT != 0
        && env.counts(&flow_key(flow.local, flow.remote, flow.local_port, flow.remote_port))
    {
        let external = if let Side::Local = side { to } else { from };
        let unaccounted = unaccounted(env, ports, arrival, &flow, (ip_len, segment.payload_len), external);
        return Ok((unaccounted, ends));
    }
    if kinds.destination.has(port::QUIC) && begins_initial(frame, &segment) {
        hand_up(env, frame, ports, arrival, &flow, &segment);
        return Err(Verdict::Initial);
    }
    Err(Verdict::Foreign)
}

/// The two ends of a packet.
struct Flow<'a> {
    side: Side,
    local: &'a Address,
    remote: &'a Address,
    local_port: u16,
    remote_port: u16,
}

impl<'a> Flow<'a> {
    #[inline(always)]
    const fn of(ports: &Ports, side: Side, [source, destination]: &'a [Address; 2]) -> Self {
        match side {
            Side::Local => Self {
                side,
                local: source,
                remote: destination,
                local_port: ports.source,
                remote_port: ports.destination,
            },
            Side::Remote => Self {
                side,
                local: destination,
                remote: source,
                local_port: ports.destination,
                remote_port: ports.source,
            },
        }
    }
}

/// A packet of a flow that the agent asked for. Its payload is encrypted and not looked at.
#[inline(always)]
fn unaccounted<E: Environment>(
    env: &E,
    ports: &Ports,
    arrival: &Arrival,
    flow: &Flow<'_>,
    (ip_len, payload): (u32, u32),
    external: PrefixFlags,
) -> Unaccounted {
    let mut marks = hook_mark(arrival.hook);
    if ports.first_fragment {
        marks |= mark::FRAGMENTED;
    }
    if ports.tunnelled {
        marks |= mark::TUNNELLED;
    }
    if external.contains(PrefixFlags::THREAT) {
        marks |= mark::THREAT;
    }
    let packet = Packet {
        side: flow.side,
        tcp_flags: 0,
        sequence: 0,
        marks,
        bytes: ip_len,
        payload,
        vlan: ports.vlan,
        cpu: env.cpu(),
    };
    let key = SlotKey {
        family: ports.family,
        transport: UDP,
        ifindex: arrival.ifindex,
        local: (),
        remote: (),
        local_port: flow.local_port,
        remote_port: flow.remote_port,
    };
    let content = Content { side: flow.side as u8, ..Content::EMPTY };
    Unaccounted { key, packet, content, interest: Interest::Quic, enforced: Enforced::Pass }
}

/// Hands an Initial packet to the agent, if not too many were handed up in this second, of this flow or of all.
#[inline(always)]
fn hand_up<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    ports: &Ports,
    arrival: &Arrival,
    flow: &Flow<'_>,
    segment: &Segment,
) {
    let now = env.now();
    let captured = least(segment.payload_len, MAX_PIECE_LEN as u32);
    let mut outcome = Counter::QuicInitialsOver;
    let key = SlotKey {
        family: ports.family,
        transport: UDP,
        ifindex: arrival.ifindex,
        local: flow.local,
        remote: flow.remote,
        local_port: flow.local_port,
        remote_port: flow.remote_port,
    };
    if env.admits_initial(now, key.hash(env.seed()).anywhere())
        && let Some(mut buffer) = env.piece_buffer()
        && frame.copy::<MAX_PIECE_LEN>(segment.payload_at, &mut buffer.piece.bytes, 0, captured)
    {
        buffer.piece.head = PieceHead {
            version: RECORD_VERSION,
            kind: RecordKind::Payload as u8,
            transport: UDP,
            family: ports.family,
            ifindex: arrival.ifindex,
            local: *flow.local,
            remote: *flow.remote,
            local_port: flow.local_port,
            remote_port: flow.remote_port,
            side: flow.side as u8,
            piece: PieceKind::QuicInitial as u8,
            captured: captured as u16,
            wanted: segment.payload_len,
            at: now,
            ..PieceHead::EMPTY
        };
        outcome = if env.emit_piece(&buffer.piece) { Counter::PayloadSent } else { Counter::LostPayload };
    }
    env.count(Counter::QuicInitials, 1);
    env.count(outcome, 1);
}
