//! Differences that are accepted, each with its reason.

use std::collections::BTreeSet;

use crate::fact::Fact;

/// One connection's difference in one fact.
struct Accepted {
    /// A part of the capture's file name.
    capture: &'static str,
    /// A part of the connection's ends.
    ends: &'static str,
    fact: Fact,
    reason: &'static str,
}

const LAN_MANAGER_NAMES: &str = "LAN Manager's response has its domain in the OEM code page whatever the header's flag says \
     (MS-CIFS 2.2.4.52.2); tshark reads it as Unicode";

const NO_BIND: &str =
    "the capture begins after the bind, and the number of an operation means nothing without its interface";

const ACCEPTED: &[Accepted] = &[Accepted {
    capture: "cifs_negotiate_lanman",
    ends: "",
    fact: Fact::ServerName,
    reason: LAN_MANAGER_NAMES,
}];

/// Why a difference is accepted, if it is. `unbound` are the operations of the connection that were called without a bind in the
/// capture.
pub(crate) fn reason(
    (capture, ends, fact): (&str, &str, Fact),
    (ours, theirs): (&BTreeSet<String>, &BTreeSet<String>),
    unbound: &BTreeSet<String>,
) -> Option<&'static str> {
    if fact == Fact::Operation
        && ours.is_subset(theirs)
        && theirs.difference(ours).all(|one| unbound.contains(one))
    {
        return Some(NO_BIND);
    }
    let accepted = ACCEPTED.iter().find(|accepted| {
        accepted.fact == fact && capture.contains(accepted.capture) && ends.contains(accepted.ends)
    });
    accepted.map(|accepted| accepted.reason)
}
