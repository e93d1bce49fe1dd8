//! Follows a flow that was recognised on an unwatched port, on every CPU that sees packets of it.
//!
//! A packet that is recognised marks its flow. A later packet of a marked port that finds no slot of its flow on its CPU opens one
//! if the flow is marked. A SYN ends that: the same addresses and ports are used for another connection.

use super::Environment;
use crate::{
    counter::Counter,
    flow::FlowHash,
    flow_mark::{FlowMark, place},
    slot::tcp,
};

/// Marks the flow of a packet that was recognised; its slot has these marks.
#[inline(always)]
pub(super) fn follow<E: Environment>(env: &mut E, flow: FlowHash, marks: u16, now: u32) {
    put(env, flow.anywhere(), marks, now);
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
pub(super) fn followed<E: Environment>(env: &mut E, flow: FlowHash, tcp_flags: u8, now: u32) -> Option<u16> {
    let found =
        find(env, flow.anywhere(), if tcp_flags & tcp::SYN != 0 { Then::End } else { Then::Stay }, now);
    (found != FlowMark::NONE).then_some(found.marks())
}

/// Keeps the mark of a flow fresh that is in its slot, where its last packet came at tick `last`. A mark that is gone stays so.
#[inline(always)]
pub(super) fn follow_on<E: Environment>(env: &mut E, flow: FlowHash, last: u32, now: u32) {
    if FlowMark::is_due(last, now) {
        find(env, flow.anywhere(), Then::Renew, now);
    }
}

/// What is done with a mark that was found.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Then {
    /// It stays as it is.
    Stay,
    /// It becomes fresh.
    Renew,
    /// It is taken away.
    End,
}

/// The mark of the flow with this `hash` if there is one that is fresh, and that is not taken away. Out of line, because it is the
/// rare part of the path.
#[inline(never)]
fn find<E: Environment>(env: &mut E, hash: u64, then: Then, now: u32) -> FlowMark {
    let found = env.flow_mark(place(hash));
    if !found.is_of(hash) || !found.is_fresh(now, env.idle_ticks()) {
        return FlowMark::NONE;
    }
    match then {
        Then::Stay => found,
        Then::Renew => {
            env.set_flow_mark(place(hash), FlowMark::new(hash, found.marks(), now));
            found
        }
        Then::End => {
            env.set_flow_mark(place(hash), FlowMark::NONE);
            FlowMark::NONE
        }
    }
}
