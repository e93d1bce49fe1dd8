//! Share discovery: a client asks a server at the other side of the border for the list of its shares.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{attack::NETWORK_SHARE_DISCOVERY, level::Severity, view::FlowView};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "share-discovery-over-smb",
    name: "Shares listed over SMB across the border",
    description: "A client asked a server at the other side of the border for the list of its shares. \
                  A client that does not know where the files are begins with this list.",
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

/// Fires once the client asked for the list, before the server answers.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{
            FlowFixture, HistoryFixture, Remedy, assert_false_positive, found, interface, shown,
        },
    };

    fn called(flow: FlowFixture, operations: &[u16]) -> FlowFixture {
        flow.reached(EvidenceLevel::Share).called(interface::SRVSVC, operations)
    }

    #[test]
    fn listing_shares_is_share_discovery_in_either_direction() {
        let finding = found(&META, &called(FlowFixture::inbound(), &[15]), &HistoryFixture::known()).unwrap();
        assert_eq!(shown(&finding), ["T1135"]);
        assert_eq!(finding.fact, "8.8.4.4 called NetrShareEnum (srvsvc) on 10.0.1.2");
        assert!(found(&META, &called(FlowFixture::outbound(), &[36]), &HistoryFixture::known()).is_some());
    }

    #[test]
    fn asking_about_one_share_is_no_discovery() {
        let flow = called(FlowFixture::inbound(), &[16, 21]);
        assert!(found(&META, &flow, &HistoryFixture::known()).is_none());
    }

    #[test]
    fn exemption_avoids_rented_server_false_positive() {
        let case = (&called(FlowFixture::outbound(), &[15]), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: None, server: Some("8.8.4.4/32") };
        assert_false_positive(&META, "rented file server", case, &[remedy]);
    }

    #[test]
    fn listed_addresses_avoid_own_site_false_positive() {
        let case = (&called(FlowFixture::outbound(), &[15]), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }
}
