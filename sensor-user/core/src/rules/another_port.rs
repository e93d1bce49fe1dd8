//! SMB on another port: file sharing on a port where filters by port do not see it.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{attack::NON_STANDARD_PORT, level::Severity, view::FlowView};

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "smb-on-another-port",
    name: "SMB on another port across the border",
    description: "An internal and an external host spoke SMB on a TCP port that is not one of its own. Filters and rules by port do not see it. \
                  A Windows client does so only if it is set up for that port.",
    false_positives: &[
        "a provider that offers file shares on another port because networks on the way block TCP 445: add the port to services.smb_tcp, or exempt the server with a reason",
        "a tunnel or a port forwarding of your own administrators: exempt its two ends with a reason",
    ],
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&NON_STANDARD_PORT],
    scope: Scope {
        direction: None,
        services: SMB,
        new_term: None,
        evidence: Some("the port is not in the service set, and SMB messages are recognised on it"),
    },
};

/// Fires where SMB was recognised on a port that is not of the service set.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        (!view.usual_port).then(|| {
            let (client, server, port) = (view.client.ip(), view.server.ip(), sentence::port(view));
            let fact = format!("SMB was recognised between {client} and {port} of {server}");
            Finding::of(&META, vec![&NON_STANDARD_PORT], fact)
        })
    }
}
