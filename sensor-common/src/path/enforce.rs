//! Enforcement: what a rule would alert on at its SYN is counted, and dropped when that is in force.
//!
//! Only a packet that opens a TCP connection to a watched service across the border can be dropped, never one of a
//! connection that stands; and never one that an exemption covers. Whatever is not certain passes.

use super::Environment;
use crate::{
    counter::Counter,
    prefix::PrefixFlags,
    settings::{PortKind, port},
    slot::{Side, tcp},
};

/// Whether a packet may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enforced {
    /// It goes on.
    Pass,
    /// It is dropped.
    Drop,
}

/// A SYN that asks for a connection.
#[inline(always)]
pub(super) const fn opens(tcp_flags: u8) -> bool {
    tcp_flags & (tcp::SYN | tcp::ACK | tcp::RST | tcp::FIN) == tcp::SYN
}

/// Judges a SYN from an address with the flags `from` to one with the flags `to`, that was sent by `side`.
#[inline(always)]
pub(super) fn enforce<E: Environment>(
    env: &mut E,
    (from, to): (PrefixFlags, PrefixFlags),
    side: Side,
    service: PortKind,
) -> Enforced {
    let exempt = from.contains(PrefixFlags::EXEMPT_SOURCE)
        || to.contains(PrefixFlags::EXEMPT_DESTINATION)
        || from.is_pair_with(to);
    // To the Internet the rule is about SMB alone; from it, about every service.
    let (would_drop, dropped) = match side {
        Side::Local if service.has(port::SMB) => (Counter::WouldDropOutbound, Counter::DroppedOutbound),
        Side::Remote => (Counter::WouldDropInbound, Counter::DroppedInbound),
        Side::Local => return Enforced::Pass,
    };
    if exempt {
        return Enforced::Pass;
    }
    env.count(would_drop, 1);
    if !env.enforces(env.now()) {
        return Enforced::Pass;
    }
    env.count(dropped, 1);
    Enforced::Drop
}
