//! SMB to the Internet: an internal host opens an SMB connection to an external one.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{
    address::Direction,
    attack::{EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXPLOIT_PUBLIC_FACING_APPLICATION},
    level::Severity,
    service::Service,
    view::FlowView,
};

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "smb-to-internet",
    name: "SMB to the Internet",
    description: "An internal host opened an SMB connection to an address on the Internet, on any port. File sharing is not meant to leave the organisation. \
                  Such a connection can give away a user's NTLM response or carry files out.",
    false_positives: &[
        "public addresses of your own organisation: list them under networks.internal",
        "file services that you rent at a provider: exempt the server with a reason",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXPLOIT_PUBLIC_FACING_APPLICATION, &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    scope: Scope { direction: Some(Direction::Outbound), services: SMB, new_term: None, evidence: None },
};

/// Fires on every such connection, whatever became of it.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        let applies = view.direction == Direction::Outbound && view.service == Service::Smb;
        applies.then(|| Finding::of(&META, vec![], sentence::contact(view)))
    }
}
