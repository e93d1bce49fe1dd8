//! The second half of the path: a packet that may be watched is classified, accounted and counted.

use super::{
    Arrival, Environment, Interest, Parsed, Verdict,
    account::{Unaccounted, account},
    enforce::{self, Enforced},
    ip_len,
    prefixes::flags_of,
};
use crate::{
    bytes::Bytes,
    classify::{Server, crossing, exempt_counter},
    counter::Counter,
    flow::{Packet, SlotKey},
    headers::{self, Address},
    http::is_webdav,
    payload::Content,
    prefix::PrefixFlags,
    settings::port,
    slot::{Hook, Side, TCP, mark},
    smb::{self, Opening},
};

/// Decides about a packet that may be watched. Addresses are kept where the environment keeps them, for those of IPv6 do not
/// fit into the registers or onto the stack.
///
/// # Errors
/// The verdict on a packet that is not to be accounted; it is counted.
#[inline(always)]
pub fn decide<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    parsed: &Parsed,
    arrival: &Arrival,
) -> Result<(Unaccounted, E::Ends), Verdict> {
    let decided = match headers::addresses(frame, &parsed.ports) {
        None => Err(Counter::ShortTransport),
        Some((source, destination)) => match env.keep_ends([source, destination]) {
            None => Err(Counter::NoSlot),
            Some(ends) => decide_between(env, frame, parsed, &ends, arrival).map(|packet| (packet, ends)),
        },
    };
    decided.map_err(|reason| pass(env, parsed.interest, reason))
}

/// The same and the accounting in one, for a packet with short headers: its addresses are kept in registers.
#[inline(always)]
pub(super) fn decide_and_account<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    parsed: &Parsed,
    arrival: &Arrival,
) -> Verdict {
    let decided = match headers::addresses(frame, &parsed.ports) {
        None => Err(Counter::ShortTransport),
        Some((source, destination)) => {
            let ends = [source, destination];
            decide_between(env, frame, parsed, &ends, arrival).map(|packet| (packet, ends))
        }
    };
    match decided {
        Ok((packet, ends)) => account(env, &packet, &ends),
        Err(reason) => pass(env, parsed.interest, reason),
    }
}

/// Counts a packet that is let pass for this reason. One that was admitted only for its content counts as seen only if it is
/// kept.
#[inline(always)]
pub(super) fn pass<E: Environment>(env: &mut E, interest: Interest, reason: Counter) -> Verdict {
    if !matches!(interest, Interest::Service(_)) {
        return Verdict::Foreign;
    }
    env.count_passed(reason);
    Verdict::Passed(reason)
}

/// What is to be accounted of a packet between these ends, or why it is let pass.
#[inline(always)]
fn decide_between<E: Environment, B: Bytes + Copy>(
    env: &mut E,
    frame: B,
    &Parsed { ref ports, kinds, interest }: &Parsed,
    [source, destination]: &[Address; 2],
    arrival: &Arrival,
) -> Result<Unaccounted, Counter> {
    let server = match interest {
        Interest::Service(server) | Interest::Recognised(server) => server,
        Interest::Suspected | Interest::Quic => Server::Either,
    };
    let Some(view) = env.view() else { return Err(Counter::NoSlot) };
    let from = flags_of(env, view, ports.family, source);
    let to = flags_of(env, view, ports.family, destination);
    let side = match crossing(from, to, server) {
        Ok(side) => side,
        Err(reason) => {
            if let Some(counter) = exempt_counter(from, to, server, reason) {
                env.count_exempt(counter);
            }
            return Err(reason);
        }
    };
    let ip_len = ip_len(frame, ports, arrival);
    let Some(segment) = headers::segment(frame, ports, ip_len) else {
        return Err(Counter::ShortTransport);
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
        segment_at: ports.segment_at() as u32,
        ..Content::EMPTY
    };
    if ports.transport == TCP
        && segment.payload_len >= smb::PROBE_LEN
        && let Some(probe) = frame.load_deep::<smb::Probe>(segment.payload_at)
    {
        let opening = smb::opening(probe);
        content.opening = opening.byte();
        match opening {
            Opening::Message(identifier) => marks |= message_mark(identifier, side as u8),
            Opening::Other if is_webdav(probe) || matches!(interest, Interest::Recognised(_)) => {
                marks |= mark::HTTP;
            }
            _ => {}
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
    content.sequence = packet.payload_sequence();
    let (local_port, remote_port) = match side {
        Side::Local => (ports.source, ports.destination),
        Side::Remote => (ports.destination, ports.source),
    };
    let key = SlotKey {
        family: ports.family,
        transport: ports.transport,
        ifindex: arrival.ifindex,
        local: (),
        remote: (),
        local_port,
        remote_port,
    };
    Ok(Unaccounted { key, packet, content, interest, enforced })
}

#[inline(always)]
pub(super) const fn hook_mark(hook: Hook) -> u16 {
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

/// Which side is the server of what was recognised on an unwatched port.
#[inline(always)]
const fn server_mark(server: Server, sender: Side) -> u16 {
    match (server, sender) {
        (Server::Source, Side::Local) | (Server::Destination, Side::Remote) => mark::SERVER_IS_LOCAL,
        (Server::Source, Side::Remote) | (Server::Destination, Side::Local) => mark::SERVER_IS_REMOTE,
        (Server::Either, _) => 0,
    }
}
