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
    touch(env, flow.anywhere(), Then::Mark, marks, now);
}

/// What was recognised in the flow of a packet, on whatever CPU, if it is still followed.
#[inline(always)]
pub(super) fn followed<E: Environment>(env: &mut E, flow: FlowHash, tcp_flags: u8, now: u32) -> Option<u16> {
    let then = if tcp_flags & tcp::SYN != 0 { Then::End } else { Then::Stay };
    let word = touch(env, flow.anywhere(), then, 0, now);
    (word != FlowMark::NONE).then_some(word.marks())
}

/// Keeps the mark of a flow fresh that is in its slot, where its last packet came at tick `last`. A mark that is gone stays so.
#[inline(always)]
pub(super) fn follow_on<E: Environment>(env: &mut E, flow: FlowHash, last: u32, now: u32) {
    if FlowMark::is_due(last, now) {
        touch(env, flow.anywhere(), Then::Renew, 0, now);
    }
}

/// What is done with the mark of a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Then {
    /// It is left as it is.
    Stay,
    /// It becomes fresh, if there is one.
    Renew,
    /// It is taken away.
    End,
    /// It becomes fresh, and there is one from now on.
    Mark,
}

/// Does that with the mark of the flow with this `hash`, and gives back the mark that it has then. Out of line and once, because it
/// is a rare part of the path.
#[inline(never)]
fn touch<E: Environment>(env: &mut E, hash: u64, then: Then, marks: u16, now: u32) -> FlowMark {
    let found = env.flow_mark(place(hash));
    let is_fresh = found.is_fresh(now, env.idle_ticks());
    let is_own = is_fresh && found.is_of(hash);
    if !is_own && then != Then::Mark {
        return FlowMark::NONE;
    }
    if is_fresh && !is_own {
        env.count(Counter::FlowMarksReplaced, 1);
    }
    let word = match then {
        Then::Stay => found,
        Then::End => FlowMark::NONE,
        Then::Renew | Then::Mark => {
            let known = if is_own { found.marks() } else { 0 };
            FlowMark::new(hash, known | marks, now)
        }
    };
    // The line stays shared where nothing changes.
    if word != found {
        env.set_flow_mark(place(hash), word);
    }
    word
}
