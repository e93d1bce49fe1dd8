//! The second half of the path: a packet that may be watched is classified, accounted and counted.

use core::borrow::Borrow;

use super::{
    Arrival, Environment, Interest, Kinds, Verdict, Watched,
    account::account,
    enforce::{self, Enforced},
    ip_len,
    prefixes::flags_of,
};
use crate::{
    bytes::Bytes,
    classify::{Server, crossing, exempt_counter},
    counter::Counter,
    flow::{Packet, SlotKey},
    headers::{self, Address, Ports},
    payload::Content,
    prefix::PrefixFlags,
    settings::port,
    slot::{Hook, Side, TCP, mark},
    smb::{self, Opening},
};

/// Decides about a packet that may be watched, accounts it and counts its outcome. A packet that was admitted only for its
/// content counts as seen only if it is kept.
#[inline(always)]
pub(super) fn decide_and_count<E: Environment, B: Bytes + Copy, const IN_REGISTERS: bool>(
    env: &mut E,
    frame: B,
    ports: &Ports,
    kinds: Kinds,
    interest: Interest,
    arrival: &Arrival,
) -> Verdict {
    let decision = decide::<_, _, IN_REGISTERS>(env, frame, ports, kinds, interest, arrival);
    match decision.watched.outcome {
        Counter::Kept => env.count_watched(decision.watched),
        // A new value: nothing else of the packet is counted, and the compiler knows it.
        reason if matches!(interest, Interest::Service(_)) => env.count_watched(Watched::passed(reason)),
        _ => return Verdict::Foreign,
    }
    decision.verdict()
}

/// The verdict on a packet, and the outcome to count.
#[derive(Clone, Copy)]
struct Decision {
    watched: Watched,
    /// Its payload may be evidence.
    evident: bool,
}

impl Decision {
    #[inline(always)]
    const fn passed(reason: Counter) -> Self {
        Self { watched: Watched::passed(reason), evident: false }
    }

    #[inline(always)]
    const fn verdict(self) -> Verdict {
        match self.watched.outcome {
            Counter::Kept if self.watched.enforced.is_drop() => Verdict::Dropped,
            Counter::Kept if self.evident => Verdict::Evident,
            Counter::Kept => Verdict::Kept,
            reason => Verdict::Passed(reason),
        }
    }
}

/// The verdict on a packet. With `IN_REGISTERS` its addresses are kept in registers.
#[inline(always)]
fn decide<E: Environment, B: Bytes + Copy, const IN_REGISTERS: bool>(
    env: &mut E,
    frame: B,
    ports: &Ports,
    kinds: Kinds,
    interest: Interest,
    arrival: &Arrival,
) -> Decision {
    let Some((source, destination)) = headers::addresses(frame, ports) else {
        return Decision::passed(Counter::ShortTransport);
    };
    let server = match interest {
        Interest::Service(server) | Interest::Recognised(server) => server,
        Interest::Suspected => Server::Either,
    };
    // IPv6 addresses do not fit into the registers or onto the stack.
    if !IN_REGISTERS {
        let Some(ends) = env.keep_ends([source, destination]) else {
            return Decision::passed(Counter::NoSlot);
        };
        let [source, destination] = &*ends;
        let ends = (source, destination);
        let opaque_zero = env.opaque_zero();
        return decide_between(env, frame, (ports, kinds), ends, (interest, server), arrival, opaque_zero);
    }
    decide_between(env, frame, (ports, kinds), (source, destination), (interest, server), arrival, 0)
}

/// The verdict on a packet between these ends, addresses or references to them. Results of many paths are joined with
/// `opaque_zero`, so that the verifier sees them as one ([`Environment::opaque_zero`]).
#[inline(always)]
fn decide_between<E: Environment, B: Bytes + Copy, A: Borrow<Address> + Copy>(
    env: &mut E,
    frame: B,
    (ports, kinds): (&Ports, Kinds),
    (source, destination): (A, A),
    (interest, server): (Interest, Server),
    arrival: &Arrival,
    opaque_zero: u32,
) -> Decision {
    let Some(view) = env.view() else { return Decision::passed(Counter::NoSlot) };
    let from = flags_of(env, view, ports.family, source.borrow());
    let to = flags_of(env, view, ports.family, destination.borrow());
    let side = match crossing(from, to, server) {
        Ok(side) => side,
        Err(reason) => {
            if let Some(counter) = exempt_counter(from, to, server, reason) {
                env.count_exempt(counter);
            }
            return Decision::passed(reason);
        }
    };
    let ip_len = ip_len(frame, ports, arrival);
    let Some(segment) = headers::segment(frame, ports, ip_len) else {
        return Decision::passed(Counter::ShortTransport);
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
        payload_at: segment.payload_at as u32,
        ..Content::EMPTY
    };
    if ports.transport == TCP
        && segment.payload_len >= smb::PROBE_LEN
        && let Some(probe) = frame.load_deep::<smb::Probe>(segment.payload_at)
    {
        let opening = smb::opening(probe);
        content.opening = opening.byte();
        if let Opening::Message(identifier) = opening {
            marks |= message_mark(identifier, side as u8);
        }
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
        if enforced.is_drop() {
            marks |= mark::DROPPED;
        }
    }
    // Here the flags are used for the last time; the stack has no space to keep a result for long.
    let external = if let Side::Local = side { to } else { from };
    if external.contains(PrefixFlags::THREAT) {
        marks |= mark::THREAT;
    }
    content.opening |= opaque_zero as u8;
    content.rpc |= opaque_zero as u8;
    marks |= opaque_zero as u16;
    let enforced = enforced.joined(opaque_zero);
    let may_open = u32::from(!matches!(interest, Interest::Suspected)) | opaque_zero != 0;
    let packet = Packet {
        side,
        tcp_flags: segment.tcp_flags,
        sequence: segment.sequence,
        marks,
        bytes: ip_len,
        payload: segment.payload_len,
        vlan: ports.vlan,
        cpu: env.cpu(),
    };
    let (local, remote, local_port, remote_port) = match side {
        Side::Local => (source, destination, ports.source, ports.destination),
        Side::Remote => (destination, source, ports.destination, ports.source),
    };
    let key = SlotKey {
        family: ports.family,
        transport: ports.transport,
        ifindex: arrival.ifindex,
        local,
        remote,
        local_port,
        remote_port,
    };
    let accounted = account(env, &key, &packet, content, may_open);
    if !accounted.kept {
        return Decision::passed(Counter::NoSlot);
    }
    Decision {
        watched: Watched { outcome: Counter::Kept, replaced: accounted.replaced, enforced },
        evident: accounted.evident,
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

/// The marks for an SMB message with this identifier from `side`.
#[inline(always)]
pub(super) const fn message_mark(identifier: u8, side: u8) -> u16 {
    let from = smb_from(side);
    match identifier {
        smb::TRANSFORMED => from | mark::ENCRYPTED,
        smb::COMPRESSED => from | mark::COMPRESSED,
        _ => from,
    }
}

/// The mark of SMB messages from `side`.
#[inline(always)]
pub(super) const fn smb_from(side: u8) -> u16 {
    mark::SMB_FROM_LOCAL << (side & 1)
}

/// Which side is the server of an SMB message on an unwatched port.
#[inline(always)]
const fn server_mark(server: Server, sender: Side) -> u16 {
    match (server, sender) {
        (Server::Source, Side::Local) | (Server::Destination, Side::Remote) => mark::SERVER_IS_LOCAL,
        (Server::Source, Side::Remote) | (Server::Destination, Side::Local) => mark::SERVER_IS_REMOTE,
        (Server::Either, _) => 0,
    }
}
