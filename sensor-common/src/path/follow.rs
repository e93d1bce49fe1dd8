//! Follows a flow that was recognised on an unwatched port, on every CPU that sees packets of it.
//!
//! A packet that is recognised marks its flow. A later packet of a marked port that finds no slot of its flow on its CPU opens one
//! if the flow is marked. A SYN ends that: the same addresses and ports are used for another connection.

use core::borrow::Borrow;

use super::Environment;
use crate::{
    counter::Counter,
    flow::SlotKey,
    flow_mark::{FlowMark, place},
    headers::Address,
    slot::tcp,
};

/// Marks the flow of a packet that was recognised; its slot has these marks.
#[inline(always)]
pub(super) fn follow<E: Environment, A: Borrow<Address>>(
    env: &mut E,
    key: &SlotKey<A>,
    marks: u16,
    now: u32,
) {
    put(env, key.hash_anywhere(env.seed()), marks, now);
}

#[inline(never)]
fn put<E: Environment>(env: &mut E, hash: u64, marks: u16, now: u32) {
    let before = env.flow_mark(place(hash));
    let is_fresh = before.is_fresh(now, env.idle_ticks());
    let mut marks = marks;
    if is_fresh && before.is_of(hash) {
        marks |= before.marks();
    } else if is_fresh {
        env.count(Counter::FlowMarksReplaced, 1);
    }
    let word = FlowMark::new(hash, marks, now);
    // The line stays shared where nothing changes.
    if word != before {
        env.set_flow_mark(place(hash), word);
    }
}

/// What was recognised in the flow of a packet, on whatever CPU, if it is still followed.
#[inline(always)]
pub(super) fn followed<E: Environment, A: Borrow<Address>>(
    env: &mut E,
    key: &SlotKey<A>,
    tcp_flags: u8,
    now: u32,
) -> Option<u16> {
    let hash = key.hash_anywhere(env.seed());
    let found = env.flow_mark(place(hash));
    if !found.is_of(hash) || !found.is_fresh(now, env.idle_ticks()) {
        return None;
    }
    if tcp_flags & tcp::SYN != 0 {
        env.set_flow_mark(place(hash), FlowMark::NONE);
        return None;
    }
    Some(found.marks())
}

/// Keeps the mark of a flow fresh that is in its slot, where its last packet came at tick `last`. A mark that is gone stays so.
#[inline(always)]
pub(super) fn follow_on<E: Environment, A: Borrow<Address>>(
    env: &mut E,
    key: &SlotKey<A>,
    last: u32,
    now: u32,
) {
    if !FlowMark::is_due(last, now) {
        return;
    }
    let hash = key.hash_anywhere(env.seed());
    let found = env.flow_mark(place(hash));
    if found.is_of(hash) && found.is_fresh(now, env.idle_ticks()) {
        env.set_flow_mark(place(hash), FlowMark::new(hash, found.marks(), now));
    }
}
