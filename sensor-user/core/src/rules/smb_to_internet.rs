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

/// Metadata of the rule.
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

/// Fires on every such connection, an unanswered attempt included.
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

#[cfg(test)]
mod tests {
    use sensor_common::slot::{TCP, UDP};

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{FlowFixture, HistoryFixture, Remedy, assert_false_positive, fired, found},
    };

    #[test]
    fn outbound_smb_connection_fires_at_every_level() {
        for level in EvidenceLevel::ALL {
            let flow = FlowFixture::outbound().reached(level);
            assert_eq!(fired(&flow, &HistoryFixture::known()), [META.id], "{level}");
        }
        for port in [139, 4_445] {
            let flow = FlowFixture::outbound().on(TCP, port).reached(EvidenceLevel::Smb);
            assert!(found(&META, &flow, &HistoryFixture::known()).is_some(), "{port}");
        }
    }

    #[test]
    fn other_services_and_inbound_connections_are_silent() {
        let silent = [
            FlowFixture::outbound().on(TCP, 135),
            FlowFixture::outbound().on(UDP, 137),
            FlowFixture::inbound(),
        ];
        for flow in silent {
            let flow = flow.reached(EvidenceLevel::Data);
            assert!(found(&META, &flow, &HistoryFixture::known()).is_none(), "{flow:?}");
        }
    }

    #[test]
    fn listed_addresses_avoid_false_positive_on_own_addresses() {
        let case = (&FlowFixture::outbound(), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }

    #[test]
    fn exemption_avoids_rented_file_service_false_positive() {
        let case = (&FlowFixture::outbound(), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: None, server: Some("8.8.4.4/32") };
        assert_false_positive(&META, "rent at a provider", case, &[remedy]);
    }
}
