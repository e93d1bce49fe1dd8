//! A packet's flow slot: finds, opens, updates and settles it, and reports changes.

use core::borrow::Borrow;

use super::{
    Environment, Interest, Kept, Verdict, capture,
    decide::pass,
    enforce::Enforced,
    follow::{follow, follow_on, followed},
    handover::note_syn,
};
use crate::{
    counter::Counter,
    flow::{Packet, SlotKey, Tenancy},
    headers::Address,
    payload::Content,
    slot::{RecordKind, Side, Slot},
};

/// A packet that is to be accounted.
#[derive(Clone, Copy, Debug)]
pub struct Unaccounted {
    /// Its flow; the addresses are kept apart.
    pub(super) key: SlotKey<()>,
    /// The packet.
    pub(super) packet: Packet,
    /// Its payload.
    pub(super) content: Content,
    /// Why it is processed.
    pub(super) interest: Interest,
    /// What enforcement decided.
    pub(super) enforced: Enforced,
}

/// Accounts a packet from the first address to the second: finds its slot, accounts it there and reports what is new to the
/// agent.
#[inline(always)]
pub fn account<E: Environment>(env: &mut E, decided: &Unaccounted, ends: &[Address; 2]) -> Verdict {
    // By reference: what is read early takes up the stack.
    let Unaccounted { key, packet, content, interest, enforced } = decided;
    let [source, destination] = ends;
    // The verifier does not know which values an enum has, but it follows a mask.
    let (side, local, remote) = match content.side & 1 {
        0 => (Side::Local, source, destination),
        _ => (Side::Remote, destination, source),
    };
    let (key, mut packet) = (key.between(local, remote), Packet { side, ..*packet });
    let now = env.now();
    let flow = key.hash(env.seed());
    let index = flow.slot_index(key.ifindex, env.slots_per_cpu());
    let Some(mut slot) = env.slot(packet.cpu, index) else {
        return pass(env, *interest, Counter::NoSlot);
    };
    let mut replaced = false;
    let tenancy = slot.tenancy(&key, &packet, now, env.idle_ticks());
    if matches!(interest, Interest::Suspected) {
        match tenancy {
            Tenancy::Own => follow_on(env, flow, slot.line.last, now),
            // Accounted only if its flow was recognised, perhaps on another CPU; not counted.
            _ => match followed(env, flow, packet.tcp_flags, now) {
                Some(marks) => packet.marks |= marks,
                None => return Verdict::Foreign,
            },
        }
    }
    match tenancy {
        Tenancy::Own => go_on(env, &mut slot, &packet, now),
        _ => replaced = take(env, &mut slot, tenancy, &key, &packet, now),
    }
    if matches!(interest, Interest::Recognised(_)) {
        follow(env, flow, slot.line.marks, now);
    }
    env.count_kept(Kept { replaced, enforced: *enforced });
    if enforced.is_drop() {
        return Verdict::Dropped;
    }
    if capture::is_called_for(content, &slot, env.opaque_zero())
        && let Some(mut buffer) = env.piece_buffer()
    {
        buffer.content = Content { slot: index, ..*content };
        return Verdict::Evident;
    }
    note_syn(env, index, &packet);
    Verdict::Kept
}

/// One more packet of the flow in `slot`.
#[inline(always)]
fn go_on<E: Environment>(env: &mut E, slot: &mut Slot, packet: &Packet, now: u32) {
    let change = slot.add(packet, now);
    if change.closed {
        emit(env, RecordKind::Closed, Counter::LostClosed, slot);
    } else if change.rose {
        emit(env, RecordKind::Rose, Counter::LostRose, slot);
    }
    if change.full {
        settle(env, slot);
        slot.clear_counts();
    }
}

/// Another flow takes the slot. If both are IPv4, one record reports both, so a flood of new flows pays for one. Returns
/// whether that record was sent; the caller counts it.
#[inline(always)]
fn take<E: Environment, A: Borrow<Address>>(
    env: &mut E,
    slot: &mut Slot,
    tenancy: Tenancy,
    key: &SlotKey<A>,
    packet: &Packet,
    now: u32,
) -> bool {
    let replaces = matches!(tenancy, Tenancy::Other);
    let in_one = replaces && key.family == 4 && slot.line.family == 4;
    if in_one {
        // Each outcome returns on its own path. If the record were tested again behind `open`, verifiers of 6.12 and before
        // would follow a path on which it exists but is never submitted.
        match env.begin_replaced(slot) {
            Some(record) => {
                slot.open(key, packet, now);
                env.complete_replaced(record, slot);
                return true;
            }
            None => lost_replaced(env, slot.line.total_packets()),
        }
    } else if replaces {
        env.count(Counter::Evicted, 1);
        settle(env, slot);
    }
    slot.open(key, packet, now);
    if !in_one {
        emit(env, RecordKind::Opened, Counter::LostOpened, slot);
    }
    false
}

#[inline(never)]
fn lost_replaced<E: Environment>(env: &mut E, packets: u64) {
    env.count(Counter::Evicted, 1);
    env.count(Counter::LostSettled, 1);
    env.count(Counter::LostPackets, packets);
    env.count(Counter::LostOpened, 1);
}

#[inline(always)]
fn settle<E: Environment>(env: &mut E, slot: &Slot) {
    if !emit(env, RecordKind::Settled, Counter::LostSettled, slot) {
        env.count(Counter::LostPackets, slot.line.total_packets());
    }
}

/// Hands over a record and counts the result. Out of line, because it is the rare part of the path.
#[inline(never)]
pub(super) fn emit<E: Environment>(env: &mut E, kind: RecordKind, lost: Counter, slot: &Slot) -> bool {
    let sent = env.emit(kind, slot);
    env.count(if sent { Counter::RecordsSent } else { lost }, 1);
    sent
}
