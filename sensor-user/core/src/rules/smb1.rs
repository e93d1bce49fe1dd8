//! SMB 1 across the border: the dialect that worms spread by, with an external host at one end.

use sensor_dissect::{Facts, facts::Dialect};

use super::meta::{Finding, History, Rule, RuleMeta, SMB, Scope};
use crate::{
    attack::{EXPLOIT_PUBLIC_FACING_APPLICATION, EXTERNAL_REMOTE_SERVICES},
    level::Severity,
    view::FlowView,
};

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "smb1-across-border",
    name: "SMB 1 spoken across the border",
    description: "An internal and an external host agreed on SMB 1. It knows no encryption and protects little of what it carries. \
                  Its servers have been taken over by the thousands, and Windows has not installed it by default for years.",
    false_positives: &[
        "old devices (copiers, storage, controllers) that your own sites reach over public addresses: list those addresses under networks.internal",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXPLOIT_PUBLIC_FACING_APPLICATION, &EXTERNAL_REMOTE_SERVICES],
    scope: Scope {
        direction: None,
        services: SMB,
        new_term: None,
        evidence: Some("both ends agree on SMB 1"),
    },
};

/// Fires once the server chose SMB 1, or answered a message that only follows that choice.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        let (client, server) = (view.client.ip(), view.server.ip());
        let facts = view.facts?;
        let fact = match &facts.dialect {
            Some(Dialect::Smb1(name)) => format!("{client} and {server} agreed on SMB 1 ({name})"),
            // A client that merely offers SMB 1 has agreed with nobody.
            _ if !facts.smb1 || facts.smb2 => return None,
            _ if was_answered(facts) => format!("{server} answered {client} in SMB 1"),
            _ if view.settled && view.one_sided && went_on(facts) => {
                format!("{client} went on in SMB 1 with {server}, of which no packet was seen")
            }
            _ => return None,
        };
        Some(Finding::of(&META, vec![], fact))
    }
}

/// The server answered a message that follows the negotiation.
fn was_answered(facts: &Facts) -> bool {
    let credential = facts.credentials.iter().any(|credential| credential.outcome.is_some());
    let share = facts.shares.iter().any(|share| share.outcome.is_some());
    credential || share || facts.trees > 0 || !facts.session_statuses.is_empty()
}

/// The client went on as if the server had agreed. It can do so whatever the server says, so this counts only where the
/// server's packets pass elsewhere.
const fn went_on(facts: &Facts) -> bool {
    !facts.credentials.is_empty() || !facts.shares.is_empty()
}
