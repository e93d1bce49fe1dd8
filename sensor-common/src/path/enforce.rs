//! Enforcement: a SYN that a rule would alert on is counted, and dropped while the lease runs.
//!
//! It drops only packets that open a TCP connection to a watched service across the border, never one of an established
//! connection, and never one that an exemption covers. Every uncertain packet passes.

use super::Environment;
use crate::{
    prefix::PrefixFlags,
    settings::{PortKind, port},
    slot::{Side, tcp},
};

/// Whether a packet may pass, and how it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// It passes.
    Pass,
    /// It passes, and would be dropped if enforcement were on: for the rule about connections to the Internet.
    WouldDropOutbound,
    /// Likewise, for the rule about connections from it.
    WouldDropInbound,
    /// It is dropped for the rule about connections to the Internet.
    DropOutbound,
    /// It is dropped for the rule about connections from the Internet.
    DropInbound,
}

impl Enforced {
    /// Whether the packet ends here.
    #[inline(always)]
    #[must_use]
    pub const fn is_drop(self) -> bool {
        matches!(self, Self::DropOutbound | Self::DropInbound)
    }
}

/// A SYN that opens a connection.
#[inline(always)]
pub(super) const fn opens(tcp_flags: u8) -> bool {
    tcp_flags & (tcp::SYN | tcp::ACK | tcp::RST | tcp::FIN) == tcp::SYN
}

/// Whether an exemption covers a connection between these ends, or may cover it.
#[inline(always)]
pub(super) const fn is_exempt(client: PrefixFlags, server: PrefixFlags) -> bool {
    client.contains(PrefixFlags::EXEMPT_SOURCE)
        || server.contains(PrefixFlags::EXEMPT_DESTINATION)
        || client.contains(PrefixFlags::MAYBE_EXEMPT_SOURCE)
        || server.contains(PrefixFlags::MAYBE_EXEMPT_DESTINATION)
        || client.is_pair_with(server)
}

/// Decides about a SYN that `side` sent from an address with the flags `from` to one with the flags `to`.
#[inline(always)]
pub(super) fn enforce<E: Environment>(
    env: &E,
    (from, to): (PrefixFlags, PrefixFlags),
    side: Side,
    service: PortKind,
) -> Enforced {
    let exempt = is_exempt(from, to);
    // To the Internet the rule covers SMB alone; from the Internet it covers every service.
    let ruled = matches!(side, Side::Remote) || service.has(port::SMB);
    if exempt || !ruled {
        return Enforced::Pass;
    }
    match (env.enforces(env.now()), side) {
        (false, Side::Local) => Enforced::WouldDropOutbound,
        (false, Side::Remote) => Enforced::WouldDropInbound,
        (true, Side::Local) => Enforced::DropOutbound,
        (true, Side::Remote) => Enforced::DropInbound,
    }
}
