//! Download from outside: an internal client reads content from a disk share on the Internet.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{address::Direction, attack::INGRESS_TOOL_TRANSFER, level::Severity, view::FlowView};

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "smb-download-from-internet",
    name: "File content fetched from an SMB server on the Internet",
    description: "An internal client read content from a disk share of a server on the Internet. Tools and malware are brought in this way: \
                  Windows runs a program from such a share without writing it to the disk.",
    false_positives: &[
        "a file service that you rent at a provider: exempt the server with a reason",
        "public addresses of your own organisation: list them under networks.internal",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&INGRESS_TOOL_TRANSFER],
    scope: Scope {
        direction: Some(Direction::Outbound),
        services: SMB,
        new_term: None,
        evidence: Some("the client reads content from a disk share"),
    },
};

/// Fires once content came in from a disk share.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        if view.direction != Direction::Outbound || !view.content.came {
            return None;
        }
        // Without a disk share it could have come out of a pipe.
        let share = sentence::disk_share(view)?;
        let (client, amount) = (view.client.ip(), sentence::bytes(view.bytes_came()));
        let fact = format!("{client} read content from {}; {amount} came in", share.path);
        Some(Finding::of(&META, vec![&INGRESS_TOOL_TRANSFER], fact))
    }
}
