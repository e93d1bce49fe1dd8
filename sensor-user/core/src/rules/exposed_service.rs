//! Exposed service: an internal host answers the Internet on a port of Windows networking, or as a WebDAV server on any port.

use super::{
    meta::{BY_PORT, EVERY_SERVICE, Finding, History, Rule, RuleMeta, Scope},
    sentence,
};
use crate::{
    address::Direction,
    attack::EXTERNAL_REMOTE_SERVICES,
    level::{EvidenceLevel, Severity},
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "windows-networking-exposed",
    name: "Windows networking answers the Internet",
    description: "An internal host answered an address on the Internet on a port of SMB, NetBIOS or DCE-RPC, or showed that it serves WebDAV. \
                  The firewall lets such connections in. Everybody on the Internet can try passwords and exploits on this host.",
    false_positives: &[
        "public addresses of your own organisation: list them under networks.internal",
        "a service that is meant to be reachable by a partner: exempt the partner's addresses with a reason",
        "a web server that serves WebDAV to the Internet on purpose, or asks everybody for a password: exempt the server with a reason",
    ],
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&EXTERNAL_REMOTE_SERVICES],
    scope: Scope {
        direction: Some(Direction::Inbound),
        services: EVERY_SERVICE,
        new_term: None,
        evidence: Some("the port answers; of WebDAV, the answer shows that it is served"),
    },
};

/// Fires from the first answer on, however far the client gets.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        let applies = view.direction == Direction::Inbound
            && (BY_PORT.contains(&view.service) || view.serves_webdav())
            && view.level >= EvidenceLevel::Answered
            && view.server_seen();
        applies.then(|| {
            let (client, server, port) = (view.client.ip(), view.server.ip(), sentence::port(view));
            let how = match (view.serves_webdav(), view.serves_webdav_to_anybody()) {
                (_, true) => " with WebDAV, without a log-on",
                (true, false) => " with WebDAV",
                (false, false) => "",
            };
            Finding::of(&META, vec![], format!("{port} of {server} answered {client}{how}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::UDP;
    use sensor_dissect::facts::{WebDav, WebDavEvidence};

    use super::*;
    use crate::rules::fixtures::{
        FlowFixture, HistoryFixture, Remedy, assert_false_positive, fired, found, shown,
    };

    fn answered() -> FlowFixture {
        FlowFixture::inbound().reached(EvidenceLevel::Answered)
    }

    #[test]
    fn port_that_answers_an_external_client_is_exposed() {
        let finding = found(&META, &answered(), &HistoryFixture::known()).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::Medium, 47));
        assert_eq!(finding.fact, "TCP 445 of 10.0.1.2 answered 8.8.4.4");
        assert!(shown(&finding).is_empty(), "an open port is no technique");
        for level in [EvidenceLevel::Connected, EvidenceLevel::Data] {
            assert!(found(&META, &answered().reached(level), &HistoryFixture::known()).is_some(), "{level}");
        }
        let netbios = FlowFixture::inbound().on(UDP, 137).reached(EvidenceLevel::Connected);
        assert!(found(&META, &netbios, &HistoryFixture::known()).is_some());
    }

    #[test]
    fn silent_refusing_and_external_ports_are_not_exposed() {
        for level in [EvidenceLevel::Attempt, EvidenceLevel::Refused] {
            let flow = FlowFixture::inbound().reached(level);
            assert!(found(&META, &flow, &HistoryFixture::known()).is_none(), "{level}");
        }
        let one_sided = answered().reached(EvidenceLevel::Connected).seen(|view| view.counts.packets[0] = 0);
        assert!(found(&META, &one_sided, &HistoryFixture::known()).is_none(), "no answer was seen");
        let outbound = FlowFixture::outbound().reached(EvidenceLevel::Data);
        assert!(found(&META, &outbound, &HistoryFixture::known()).is_none());
    }

    /// A stranger asks a web server for a listing, which answers so.
    fn asked_for_a_listing(served: bool, anonymous: bool) -> FlowFixture {
        let evidence =
            WebDavEvidence { method: true, answered: true, served, anonymous, ..WebDavEvidence::default() };
        FlowFixture::inbound().webdav(WebDav { evidence, ..WebDav::default() })
    }

    #[test]
    fn internal_server_of_webdav_is_exposed_and_any_other_web_server_is_not() {
        let past = HistoryFixture::known();
        for (anonymous, fact) in [
            (true, "TCP 80 of 10.0.1.2 answered 8.8.4.4 with WebDAV, without a log-on"),
            (false, "TCP 80 of 10.0.1.2 answered 8.8.4.4 with WebDAV"),
        ] {
            let flow = asked_for_a_listing(true, anonymous);
            assert_eq!(fired(&flow, &past), [META.id]);
            let finding = found(&META, &flow, &past).unwrap();
            assert_eq!((finding.severity, finding.fact.as_str()), (Severity::Medium, fact));
        }
        assert_eq!(fired(&asked_for_a_listing(false, false), &past), [""; 0]);
        let outbound = asked_for_a_listing(true, true).seen(|view| view.direction = Direction::Outbound);
        assert!(found(&META, &outbound, &past).is_none());
    }

    #[test]
    fn exempt_server_avoids_false_positive_of_a_web_server() {
        let remedy = Remedy::Exempt { client: None, server: Some("10.0.1.2/32") };
        let case = (&asked_for_a_listing(true, false), &HistoryFixture::known());
        assert_false_positive(&META, "on purpose", case, &[remedy]);
    }

    #[test]
    fn listed_addresses_avoid_own_site_false_positive() {
        let case = (&answered(), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }

    #[test]
    fn exempt_partner_avoids_service_false_positive() {
        let case = (&answered(), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: Some("8.8.4.4/32"), server: None };
        assert_false_positive(&META, "partner", case, &[remedy]);
    }
}
