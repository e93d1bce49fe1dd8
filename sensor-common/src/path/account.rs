//! A packet's flow slot: finds, opens, updates and settles it, and reports changes.

use core::borrow::Borrow;

use super::{Environment, capture};
use crate::{
    counter::Counter,
    flow::{Packet, SlotKey, Tenancy},
    headers::Address,
    payload::Content,
    slot::{RecordKind, Slot},
};

/// The result of accounting a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accounted {
    /// It is accounted: its flow is in a slot.
    pub(super) kept: bool,
    /// Its payload may be evidence.
    pub(super) evident: bool,
    /// Its flow took the slot of another, and one record reported both.
    pub(super) replaced: bool,
}

impl Accounted {
    const NOT: Self = Self { kept: false, evident: false, replaced: false };
}

/// Finds the packet's slot, accounts it there and reports what is new to the agent. Without `may_open`, it is accounted
/// only if its flow is in the slot.
#[inline(always)]
pub(super) fn account<E: Environment, A: Borrow<Address>>(
    env: &mut E,
    key: &SlotKey<A>,
    packet: &Packet,
    content: Content,
    may_open: bool,
) -> Accounted {
    let now = env.now();
    let index = key.slot_index(env.seed(), env.slots_per_cpu());
    let Some(mut slot) = env.slot(packet.cpu, index) else {
        return Accounted::NOT;
    };
    let mut replaced = false;
    match slot.tenancy(key, packet, now, env.idle_ticks()) {
        Tenancy::Own => go_on(env, &mut slot, packet, now),
        // Not watched: the caller does not count it.
        _ if !may_open => return Accounted::NOT,
        Tenancy::Other => replaced = replace(env, &mut slot, key, packet, now),
        Tenancy::Vacant => {
            slot.open(key, packet, now);
            emit(env, RecordKind::Opened, Counter::LostOpened, &slot);
        }
    }
    let mut evident = false;
    let content = Content { slot: index, sequence: packet.payload_sequence(), ..content };
    if capture::is_called_for(&content, &slot, env.opaque_zero())
        && let Some(mut buffer) = env.piece_buffer()
    {
        buffer.content = content;
        evident = true;
    }
    Accounted { kept: true, evident, replaced }
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
fn replace<E: Environment, A: Borrow<Address>>(
    env: &mut E,
    slot: &mut Slot,
    key: &SlotKey<A>,
    packet: &Packet,
    now: u32,
) -> bool {
    let in_one = key.family == 4 && slot.line.family == 4;
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
    } else {
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
