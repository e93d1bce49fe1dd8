//! External access of Windows networking: a stranger reaches an internal machine's SMB, NetBIOS or DCE-RPC.

use super::{Direction, Rule, Severity, Sight};
use crate::attack::{
    EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXTERNAL_REMOTE_SERVICES, NETWORK_SERVICE_DISCOVERY,
    NETWORK_SHARE_DISCOVERY,
};

pub(crate) static RULE: Rule = Rule {
    id: "external-access-windows-networking",
    name: "External access of Windows networking",
    description: "An address on the Internet reached SMB, NetBIOS or the DCE-RPC endpoint mapper of an internal machine. \
                  These services are meant for the local network; open to the Internet they are scanned, guessed at and \
                  exploited within minutes.",
    false_positives: &[
        "public addresses of your own organisation that are not listed as internal networks",
        "a remote site or partner that reaches you without a tunnel: exempt it with a reason",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[
        &NETWORK_SERVICE_DISCOVERY,
        &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
        &EXTERNAL_REMOTE_SERVICES,
        &NETWORK_SHARE_DISCOVERY,
    ],
    check: "Find the firewall rule or port forwarding that lets the packets in, and whether the server answered: from \
            `established` on it did.",
    contain: "Close the service at the border; if data was exchanged, look at the server's logons and shares for this \
              address before putting it back into use.",
};

pub(super) fn fires(sight: &Sight<'_>) -> bool {
    // Every service of the set counts, so there is nothing else to ask.
    sight.direction == Direction::Inbound
}
