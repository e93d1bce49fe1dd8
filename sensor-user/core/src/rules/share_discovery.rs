//! Share discovery: a client asks a server at the other side of the border for the list of its shares.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{attack::NETWORK_SHARE_DISCOVERY, level::Severity, view::FlowView};

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "share-discovery-over-smb",
    name: "Shares listed over SMB across the border",
    description: "A client asked a server at the other side of the border for the list of its shares. \
                  Whoever does not know where the files are looks for them in this way.",
    false_positives: &[
        "a user who opens a rented file server by its name alone, so that Windows lists its shares: exempt the server with a reason",
        "public addresses of your own organisation: list them under networks.internal",
    ],
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&NETWORK_SHARE_DISCOVERY],
    scope: Scope {
        direction: None,
        services: SMB,
        new_term: None,
        evidence: Some("the client asks for the list of shares"),
    },
};

/// MS-SRVS 3.1.4: NetrShareEnum, NetrShareEnumSticky. NetrShareGetInfo (16) asks about a share that the client knows.
const SRVSVC: [u16; 2] = [15, 36];

/// Fires once the list was asked for, whatever the server answered.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        let called = sentence::called(view, "srvsvc", &SRVSVC);
        (!called.is_empty()).then(|| {
            let (client, server) = (view.client.ip(), view.server.ip());
            let fact = format!("{client} called {} (srvsvc) on {server}", sentence::list(&called));
            Finding::of(&META, vec![&NETWORK_SHARE_DISCOVERY], fact)
        })
    }
}
