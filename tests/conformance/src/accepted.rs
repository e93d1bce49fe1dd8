//! Differences that are accepted, each with its reason.

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
    "the capture begins behind the bind, and the number of an operation names nothing without its interface";

const ACCEPTED: &[Accepted] = &[
    Accepted {
        capture: "cifs_negotiate_lanman",
        ends: "",
        fact: Fact::ServerName,
        reason: LAN_MANAGER_NAMES,
    },
    Accepted { capture: "dce-rpc_mapi", ends: ":4597", fact: Fact::Operation, reason: NO_BIND },
    Accepted { capture: "dce-rpc_mapi", ends: ":2482", fact: Fact::Operation, reason: NO_BIND },
    Accepted { capture: "dce-rpc_mapi", ends: ":1734", fact: Fact::Operation, reason: NO_BIND },
    Accepted { capture: "dce-rpc_mapi", ends: ":3647", fact: Fact::Operation, reason: NO_BIND },
    Accepted { capture: "smb_v2_only", ends: ":57832", fact: Fact::Operation, reason: NO_BIND },
];

/// Why a difference is accepted.
pub(crate) fn reason(capture: &str, ends: &str, fact: Fact) -> Option<&'static str> {
    let accepted = ACCEPTED.iter().find(|accepted| {
        accepted.fact == fact && capture.contains(accepted.capture) && ends.contains(accepted.ends)
    });
    accepted.map(|accepted| accepted.reason)
}
