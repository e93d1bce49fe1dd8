//! WebDAV to the Internet: the way that a UNC path takes where SMB is blocked.

use super::{
    meta::{Finding, History, Rule, RuleMeta, Scope, WEBDAV},
    sentence,
};
use crate::{address::Direction, attack::WEB_PROTOCOLS, level::Severity, service::Service, view::FlowView};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "webdav-to-internet",
    name: "WebDAV to the Internet",
    description: "An internal host sent a WebDAV request to an address on the Internet. Windows does so for a path like \\\\host@80\\share, and where SMB is blocked. \
                  The server can ask it for the user's NTLM response, and can offer programs to run.",
    false_positives: &[
        "a WebDAV service that you rent at a provider: exempt the server with a reason",
        "public addresses of your own organisation: list them under networks.internal",
    ],
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&WEB_PROTOCOLS],
    scope: Scope {
        direction: Some(Direction::Outbound),
        services: WEBDAV,
        new_term: None,
        evidence: Some(
            "a request has a WebDAV method, the User-Agent of the Windows redirector, or a token of NTLM or Kerberos, and the server answered in HTTP; low without that User-Agent",
        ),
    },
};

/// Score of a request of another program than the redirector.
const OTHER_CLIENT: u8 = 21;

/// Fires on the first such request.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        if view.direction != Direction::Outbound || view.service != Service::WebDav {
            return None;
        }
        let evidence = view.facts?.webdav.evidence;
        let mut finding = Finding::of(&META, vec![&WEB_PROTOCOLS], sentence::webdav(view)?);
        if !evidence.redirector {
            (finding.severity, finding.risk_score) = (Severity::Low, OTHER_CLIENT);
        }
        Some(finding)
    }
}

#[cfg(test)]
mod tests {
    use sensor_dissect::facts::{WebDav, WebDavEvidence};

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{
            Answered, FlowFixture, HistoryFixture, Remedy, assert_false_positive, fired, found, ntlm_v2,
            shown,
        },
    };

    const REDIRECTOR: &str = "Microsoft-WebDAV-MiniRedir/10.0.19045";

    fn propfind(user_agent: &str) -> FlowFixture {
        let evidence = WebDavEvidence {
            method: true,
            redirector: sensor_dissect::http::is_redirector(user_agent),
            token: false,
            answered: true,
            ..WebDavEvidence::default()
        };
        let webdav =
            WebDav { method: Some("PROPFIND".into()), user_agent: Some(user_agent.to_owned()), evidence };
        FlowFixture::outbound().webdav(webdav)
    }

    fn finding(flow: &FlowFixture) -> Finding {
        found(&META, flow, &HistoryFixture::known()).unwrap()
    }

    #[test]
    fn redirector_is_medium_and_another_client_low() {
        let flow = propfind(REDIRECTOR);
        assert_eq!(fired(&flow, &HistoryFixture::known()), [META.id], "no rule of SMB");
        let redirector = finding(&flow);
        assert_eq!((redirector.severity, redirector.risk_score), (Severity::Medium, 47));
        assert_eq!(shown(&redirector), ["T1071.001"]);
        let fact = "10.0.0.2 sent a WebDAV request (PROPFIND by Microsoft-WebDAV-MiniRedir/10.0.19045) to TCP 80 of 8.8.4.4";
        assert_eq!(redirector.fact, fact);
        let other = finding(&propfind("gvfs/1.50"));
        assert_eq!((other.severity, other.risk_score), (Severity::Low, 21));
    }

    #[test]
    fn log_on_of_another_client_is_low() {
        let token = WebDavEvidence { token: true, ..WebDavEvidence::default() };
        let flow = FlowFixture::outbound().webdav(WebDav { evidence: token, ..WebDav::default() });
        let finding = finding(&flow);
        assert_eq!(finding.severity, Severity::Low);
        assert_eq!(finding.fact, "10.0.0.2 began a log-on over HTTP to TCP 80 of 8.8.4.4");
    }

    #[test]
    fn response_that_is_given_away_shows_both_techniques() {
        let flow = propfind(REDIRECTOR).reached(EvidenceLevel::Session).credential(ntlm_v2("ann").accepted());
        let past = HistoryFixture::known();
        assert_eq!(fired(&flow, &past), ["ntlm-credential-to-internet", META.id]);
        assert_eq!(crate::rules::fixtures::shown_techniques(&flow, &past), ["T1187", "T1071.001"]);
    }

    #[test]
    fn inbound_request_is_silent() {
        let flow = propfind(REDIRECTOR).seen(|view| view.direction = Direction::Inbound);
        assert_eq!(fired(&flow, &HistoryFixture::known()), [""; 0]);
    }

    #[test]
    fn exemption_avoids_rented_service_false_positive() {
        let remedy = Remedy::Exempt { client: None, server: Some("8.8.4.4/32") };
        let case = (&propfind(REDIRECTOR), &HistoryFixture::known());
        assert_false_positive(&META, "rent at a provider", case, &[remedy]);
    }

    #[test]
    fn listed_addresses_avoid_false_positive_on_own_addresses() {
        let case = (&propfind(REDIRECTOR), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }
}
