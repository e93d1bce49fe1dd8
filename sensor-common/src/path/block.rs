//! Blocks: a packet of a blocked host, network or pair is counted, and dropped while the lease runs.
//!
//! While there are blocks, every packet is checked here before it is accounted, unless it brings nothing new. Packets of marked
//! addresses are looked up. Exempt packets and uncertain packets pass.

use super::{
    Environment, Interest, Unaccounted,
    enforce::{is_exempt, opens},
    follow::followed,
    prefixes::flags_of,
};
use crate::{
    block::BlockEntry,
    classify::Server,
    counter::Counter,
    headers::Address,
    prefix::PrefixFlags,
    slot::{Side, TCP, mark},
};

/// What a block says about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Nothing: it is to be accounted.
    No,
    /// It opens a connection, or is a datagram: it is to be accounted, and dropped.
    Drop,
    /// It is within a connection, and is dropped: its receiver does not get it, and its sender may send it again, so its flow is as if
    /// it had not come.
    Cut,
    /// Its flow is not known, so it is none of ours.
    Foreign,
}

/// Applies the block that concerns a packet from the first address to the second, if there is one.
#[inline(always)]
pub fn block<E: Environment>(env: &mut E, decided: &mut Unaccounted, ends: &[Address; 2]) -> Blocked {
    if decided.enforced.is_drop() || !may_be_blocked(env, decided, ends) {
        return Blocked::No;
    }
    let [source, destination] = ends;
    let entry = env.block_of(source, destination);
    if entry == BlockEntry::NONE {
        return Blocked::No;
    }
    // One that was admitted for the sake of its flow counts only if that is known.
    if matches!(decided.interest, Interest::Suspected) && !is_of_known_flow(env, decided, ends) {
        return Blocked::Foreign;
    }
    env.count_block(entry.number());
    env.count(Counter::WouldDropBlocked, 1);
    if entry.is_dry() || !env.blocks(env.now()) {
        return Blocked::No;
    }
    env.count(Counter::DroppedBlocked, 1);
    if decided.key.transport == TCP && !opens(decided.packet.tcp_flags) {
        env.count_passed(Counter::Blocked);
        return Blocked::Cut;
    }
    decided.packet.marks |= mark::DROPPED;
    Blocked::Drop
}

/// Whether a block may concern a packet, and no exemption covers it, or may cover it. While the client is not known, either end may
/// be it.
#[inline(always)]
fn may_be_blocked<E: Environment>(
    env: &E,
    decided: &Unaccounted,
    [source, destination]: &[Address; 2],
) -> bool {
    let Some(view) = env.view() else { return false };
    let flags = |address| flags_of(env, view, decided.key.family, address);
    let (from, to): (PrefixFlags, PrefixFlags) = (flags(source), flags(destination));
    if !from.union(to).contains(PrefixFlags::BLOCKED) {
        return false;
    }
    !match decided.interest {
        Interest::Service(Server::Destination) | Interest::Recognised(Server::Destination) => {
            is_exempt(from, to)
        }
        Interest::Service(Server::Source) | Interest::Recognised(Server::Source) => is_exempt(to, from),
        _ => is_exempt(from, to) || is_exempt(to, from),
    }
}

/// Whether the flow of a packet is in its slot, or marked.
#[inline(always)]
fn is_of_known_flow<E: Environment>(
    env: &mut E,
    decided: &Unaccounted,
    [source, destination]: &[Address; 2],
) -> bool {
    let (local, remote) = match decided.packet.side {
        Side::Local => (source, destination),
        Side::Remote => (destination, source),
    };
    let key = decided.key.between(local, remote);
    let (now, idle) = (env.now(), env.idle_ticks());
    let flow = key.hash(env.seed());
    let slot = env.slot(decided.packet.cpu, flow.slot_index(key.ifindex, env.slots_per_cpu()));
    slot.is_some_and(|slot| slot.holds(&key) && now.wrapping_sub(slot.line.last) <= idle)
        || followed(env, flow, decided.packet.tcp_flags, now).is_some()
}
