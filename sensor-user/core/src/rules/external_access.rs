//! External access of Windows networking: an external host tries SMB, NetBIOS or DCE-RPC of an internal one.

use super::{
    meta::{BY_PORT, Finding, History, Rule, RuleMeta, Scope},
    sentence,
};
use crate::{
    address::Direction,
    attack::{
        EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXTERNAL_REMOTE_SERVICES, NETWORK_SERVICE_DISCOVERY,
        NETWORK_SHARE_DISCOVERY,
    },
    level::Severity,
    service::Service,
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "external-access-windows-networking",
    name: "External access of Windows networking",
    description: "An address on the Internet sent packets to SMB, NetBIOS or the DCE-RPC endpoint mapper of an internal host, or logged on to it over WebDAV. These services are meant for the local network. \
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
    scope: Scope { direction: Some(Direction::Inbound), services: BY_PORT, new_term: None, evidence: None },
};

/// Fires on every such connection, an unanswered attempt included.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        // Everybody sends WebDAV requests to web servers, but who logs on has an account in mind.
        let logs_on = view.service == Service::WebDav
            && view.facts.is_some_and(|facts| facts.authentication_attempted());
        let applies = view.direction == Direction::Inbound && (BY_PORT.contains(&view.service) || logs_on);
        applies.then(|| Finding::of(&META, vec![], sentence::contact(view)))
    }
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::{TCP, UDP};

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{
            Answered as _, FlowFixture, HistoryFixture, Remedy, assert_false_positive, found, ntlm_v2,
        },
    };
    use sensor_dissect::facts::WebDav;

    #[test]
    fn inbound_connection_fires_on_the_whole_service_set() {
        for (transport, port) in [(TCP, 135), (TCP, 139), (TCP, 445), (UDP, 137), (UDP, 138), (TCP, 4_445)] {
            for level in [EvidenceLevel::Attempt, EvidenceLevel::Connected] {
                let flow = FlowFixture::inbound().on(transport, port).reached(level);
                assert!(found(&META, &flow, &HistoryFixture::known()).is_some(), "{port} {level}");
            }
        }
    }

    #[test]
    fn outbound_connection_is_silent() {
        let flow = FlowFixture::outbound().reached(EvidenceLevel::Data);
        assert!(found(&META, &flow, &HistoryFixture::known()).is_none());
    }

    #[test]
    fn listed_addresses_avoid_own_site_false_positive() {
        let case = (&FlowFixture::inbound(), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }

    #[test]
    fn exemption_avoids_partner_false_positive() {
        let case = (&FlowFixture::inbound(), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: Some("8.8.4.4/32"), server: None };
        assert_false_positive(&META, "partner", case, &[remedy]);
    }

    #[test]
    fn log_on_over_webdav_is_an_access_and_a_request_is_none() {
        let web = FlowFixture::inbound().webdav(WebDav::default());
        let past = HistoryFixture::known();
        assert!(found(&META, &web, &past).is_none());
        assert!(found(&META, &web.credential(ntlm_v2("ann").refused()), &past).is_some());
    }
}
