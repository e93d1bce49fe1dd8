//! Entry points: the differences between XDP and TC, and nothing else.
//!
//! The parts of the work are global functions (Linux 5.6): the verifier checks each of them once, separately from its callers.
//! Their arguments and results are numbers, and each argument is used: for an unused one the compiler passes no value, and the
//! verifier refuses that.

mod tc;
mod xdp;

use sensor_common::{
    bytes::Bytes,
    classify::Server,
    headers::{NoPorts, Ports},
    path::{
        Arrival, Blocked, Environment as _, Look, MAX_LOOKS, Verdict, account, block, capture, command,
        count_unparsed, decide, decide_quic, parse, process_known, process_plain,
    },
    settings::{PortKind, feature},
};

use crate::{
    kernel::Kernel,
    scratch::{keep_parsed, keep_unaccounted, kept_ends, kept_parsed, kept_unaccounted},
};

/// What parsing a packet came to.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum ParseOutcome {
    /// It may be ours; what was parsed is kept.
    Parsed,
    /// It is none of ours.
    Done,
    /// It ends inside its headers.
    Short,
    /// It may be QUIC that concerns the sensor; what was parsed is kept.
    Quic,
}

/// What is to be done with a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Then {
    /// Nothing: it goes on.
    Pass,
    /// It goes on, and was watched.
    Watched,
    /// It goes on, and its payload may be evidence.
    Capture,
    /// It is dropped.
    Drop,
    /// It is to be accounted.
    Account,
    /// It has to take the general path.
    General,
    /// It is to be accounted, and dropped.
    AccountAndDrop,
}

pub(super) const PARSED: u32 = ParseOutcome::Parsed as u32;
pub(super) const SHORT: u32 = ParseOutcome::Short as u32;
pub(super) const QUIC: u32 = ParseOutcome::Quic as u32;

/// The end that is the server, and its service, from numbers.
#[inline(always)]
pub(super) const fn at_port(server: u32, service: u32) -> (Server, PortKind) {
    let server = if server == Server::Source as u32 { Server::Source } else { Server::Destination };
    (server, PortKind(service as u8))
}

impl Then {
    #[inline(always)]
    pub(super) const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Watched,
            2 => Self::Capture,
            3 => Self::Drop,
            4 => Self::Account,
            5 => Self::General,
            _ => Self::Pass,
        }
    }

    /// From a number; a packet that is to be accounted is accounted, unless a block ends it.
    #[inline(always)]
    pub(super) fn accounted(number: u32) -> Self {
        let may_be_blocked = number == Self::Account as u32 && Kernel.has_blocks();
        let number = if may_be_blocked { smb_block() } else { number };
        if number == Self::AccountAndDrop as u32 {
            smb_account();
            return Self::Drop;
        }
        Self::from_number(if number == Self::Account as u32 { smb_account() } else { number })
    }

    #[inline(always)]
    pub(super) const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Dropped => Self::Drop,
            Verdict::Evident => Self::Capture,
            Verdict::Kept => Self::Watched,
            _ => Self::Pass,
        }
    }
}

/// A plain packet that brings nothing new; `None` if the rest of the path has to decide.
#[inline(always)]
pub(super) fn known<B: Bytes + Copy>(
    frame: B,
    ports: impl Fn(B) -> Option<Ports>,
    service: PortKind,
    arrival: Arrival,
) -> Option<Then> {
    process_known(&mut Kernel, frame, ports, service, &arrival).map(Then::of)
}

/// A packet that is plain. Every packet takes the general path where there is no other: the verifier checks a global function
/// even if nothing calls it.
#[inline(always)]
pub(super) fn plain<B: Bytes + Copy>(
    frame: B,
    ports: impl FnOnce(B) -> Option<Ports>,
    service: (Server, PortKind),
    arrival: Arrival,
) -> Then {
    if is_short() {
        return Then::Pass;
    }
    match ports(frame) {
        Some(ports) => Then::of(process_plain(&mut Kernel, frame, &ports, service, arrival)),
        None => Then::Pass,
    }
}

/// Parses a packet up to its ports. One that may be ours is kept for the decision. What is too short counts as that only
/// if this is the `last` try.
#[inline(always)]
pub(super) fn parsed<B: Bytes + Copy>(frame: B, arrival: Arrival, last: bool) -> ParseOutcome {
    match parse(&Kernel, frame, arrival) {
        Ok(parsed) => {
            keep_parsed(parsed);
            if parsed.is_quic() { ParseOutcome::Quic } else { ParseOutcome::Parsed }
        }
        Err(Verdict::Unparsed(NoPorts::Short)) if !last => ParseOutcome::Short,
        Err(verdict) => {
            count_unparsed(&mut Kernel, verdict);
            ParseOutcome::Done
        }
    }
}

/// Decides about a packet that was parsed.
#[inline(always)]
pub(super) fn decided<B: Bytes + Copy>(frame: B, arrival: Arrival) -> Then {
    let Some(parsed) = kept_parsed() else { return Then::Pass };
    match decide(&mut Kernel, frame, parsed, &arrival) {
        Ok((packet, _)) => {
            keep_unaccounted(packet);
            Then::Account
        }
        Err(verdict) => Then::of(verdict),
    }
}

/// The same for a packet of QUIC.
#[inline(always)]
pub(super) fn decided_quic<B: Bytes + Copy>(frame: B, arrival: Arrival) -> Then {
    let Some(parsed) = kept_parsed() else { return Then::Pass };
    match decide_quic(&mut Kernel, frame, parsed, &arrival) {
        Ok((packet, _)) => {
            keep_unaccounted(packet);
            Then::Account
        }
        Err(verdict) => Then::of(verdict),
    }
}

/// Applies the block that concerns the packet that was decided on last.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn smb_block() -> u32 {
    let then = match (kept_unaccounted(), kept_ends()) {
        (Some(packet), Some(ends)) => match block(&mut Kernel, packet, ends) {
            Blocked::No => Then::Account,
            Blocked::Drop => Then::AccountAndDrop,
            Blocked::Cut => Then::Drop,
            Blocked::Foreign => Then::Pass,
        },
        _ => Then::Pass,
    };
    then as u32
}

/// Accounts the packet that was decided on last.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn smb_account() -> u32 {
    match (kept_unaccounted(), kept_ends()) {
        (Some(packet), Some(ends)) => Then::of(account(&mut Kernel, packet, ends)) as u32,
        _ => Then::Pass as u32,
    }
}

/// Looks at the messages of a packet, one after the other, and at the commands of each.
#[inline(always)]
pub(super) fn looks(message: impl Fn() -> u32, command: impl Fn() -> u32) {
    let mut look = Look::Message as u32;
    for _ in 0..MAX_LOOKS {
        look = if look == Look::Command as u32 { command() } else { message() };
        if look == Look::Done as u32 {
            return;
        }
    }
}

/// Looks at one message of a packet; says what is to be looked at then.
#[inline(always)]
pub(super) fn captured<B: Bytes + Copy>(frame: B) -> u32 {
    capture(&mut Kernel, frame) as u32
}

/// Looks at one command of a message.
#[inline(always)]
pub(super) fn chained<B: Bytes + Copy>(frame: B) -> u32 {
    command(&mut Kernel, frame) as u32
}

/// Whether only those ways of a packet are to be there that cannot be done without ([`feature::SHORT`]).
#[inline(always)]
pub(super) fn is_short() -> bool {
    Kernel.features() & feature::SHORT != 0
}

/// Whether frames that are not known have to take the general path: for want of another one, or because there are blocks.
#[inline(always)]
pub(super) fn is_general() -> bool {
    is_short() || Kernel.has_blocks()
}

/// Whether watched packets are logged.
#[inline(always)]
pub(super) fn logs() -> bool {
    Kernel.features() & feature::LOG != 0
}
