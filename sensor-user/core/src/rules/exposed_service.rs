//! Exposed service: an internal host answers the Internet on a port of Windows networking.

use super::{
    meta::{EVERY_SERVICE, Finding, History, Rule, RuleMeta, Scope},
    sentence,
};
use crate::{
    address::Direction,
    attack::EXTERNAL_REMOTE_SERVICES,
    level::{EvidenceLevel, Severity},
    view::FlowView,
};

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "windows-networking-exposed",
    name: "Windows networking answers the Internet",
    description: "An internal host answered an address on the Internet on a port of SMB, NetBIOS or DCE-RPC. The firewall lets such connections in. \
                  Everybody on the Internet can try passwords and exploits on this host.",
    false_positives: &[
        "public addresses of your own organisation: list them under networks.internal",
        "a service that is meant to be reachable by a partner: exempt the partner's addresses with a reason",
    ],
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&EXTERNAL_REMOTE_SERVICES],
    scope: Scope {
        direction: Some(Direction::Inbound),
        services: EVERY_SERVICE,
        new_term: None,
        evidence: Some("the port answers"),
    },
};

/// Fires from the first answer on, and says nothing of how far the client got.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        let applies = view.direction == Direction::Inbound && view.level >= EvidenceLevel::Answered;
        applies.then(|| {
            let (client, server, port) = (view.client.ip(), view.server.ip(), sentence::port(view));
            Finding::of(&META, vec![], format!("{port} of {server} answered {client}"))
        })
    }
}
