//! SMB on another port: file sharing on a port where filters by port do not see it.

use super::{
    meta::{Finding, History, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{attack::NON_STANDARD_PORT, level::Severity, service::Service, view::FlowView};

/// Metadata of the rule.
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

/// Fires if SMB was recognised on a port outside the service set.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        (!view.usual_port && view.service == Service::Smb).then(|| {
            let (client, server, port) = (view.client.ip(), view.server.ip(), sentence::port(view));
            let fact = format!("SMB was recognised between {client} and {port} of {server}");
            Finding::of(&META, vec![&NON_STANDARD_PORT], fact)
        })
    }
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::TCP;

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{FlowFixture, HistoryFixture, Remedy, assert_false_positive, fired, found, shown},
        service::ServicePorts,
    };

    fn elsewhere(flow: FlowFixture) -> FlowFixture {
        flow.on(TCP, 4_445).reached(EvidenceLevel::Smb)
    }

    #[test]
    fn smb_on_an_unwatched_port_fires_in_either_direction() {
        let outbound = elsewhere(FlowFixture::outbound());
        assert_eq!(fired(&outbound, &HistoryFixture::known()), ["smb-to-internet", META.id]);
        let finding = found(&META, &outbound, &HistoryFixture::known()).unwrap();
        assert_eq!(shown(&finding), ["T1571"]);
        assert_eq!(finding.fact, "SMB was recognised between 10.0.0.2 and TCP 4445 of 8.8.4.4");
        assert!(found(&META, &elsewhere(FlowFixture::inbound()), &HistoryFixture::known()).is_some());
    }

    #[test]
    fn watched_ports_are_silent() {
        for port in [139, 445] {
            let flow = FlowFixture::outbound().on(TCP, port).reached(EvidenceLevel::Data);
            assert!(found(&META, &flow, &HistoryFixture::known()).is_none(), "{port}");
        }
    }

    #[test]
    fn watched_port_or_exemption_avoids_provider_false_positive() {
        let flow = elsewhere(FlowFixture::outbound());
        let remedy = Remedy::Exempt { client: None, server: Some("8.8.4.4/32") };
        assert_false_positive(&META, "services.smb_tcp", (&flow, &HistoryFixture::known()), &[remedy]);
        let watched = ServicePorts { smb_tcp: vec![445, 4_445], ..ServicePorts::default() };
        let flow = flow.seen(|view| view.usual_port = watched.service(TCP, view.server.port()).is_some());
        assert!(found(&META, &flow, &HistoryFixture::known()).is_none());
    }

    #[test]
    fn exempt_ends_avoid_own_tunnel_false_positive() {
        let case = (&elsewhere(FlowFixture::outbound()), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: Some("10.0.0.2/32"), server: Some("8.8.4.4/32") };
        assert_false_positive(&META, "tunnel", case, &[remedy]);
    }
}
