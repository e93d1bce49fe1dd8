//! External access of Windows networking: an external host reaches for SMB, NetBIOS or DCE-RPC of an internal one.

use super::{
    meta::{EVERY_SERVICE, Finding, History, Rule, RuleMeta, Scope},
    sentence,
};
use crate::{
    address::Direction,
    attack::{
        EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXTERNAL_REMOTE_SERVICES, NETWORK_SERVICE_DISCOVERY,
        NETWORK_SHARE_DISCOVERY,
    },
    level::Severity,
    view::FlowView,
};

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "external-access-windows-networking",
    name: "External access of Windows networking",
    description: "An address on the Internet sent packets to SMB, NetBIOS or the DCE-RPC endpoint mapper of an internal host. These services are meant for the local network. \
                  Where they are open to the Internet, they are scanned, guessed at and exploited within minutes.",
    false_positives: &[
        "public addresses of your own organisation: list them under networks.internal",
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
    scope: Scope {
        direction: Some(Direction::Inbound),
        services: EVERY_SERVICE,
        new_term: None,
        evidence: None,
    },
};

/// Fires on every such connection, whatever became of it.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        let applies = view.direction == Direction::Inbound;
        applies.then(|| Finding::of(&META, vec![], sentence::contact(view)))
    }
}
