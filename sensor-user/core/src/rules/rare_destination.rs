//! Rare SMB destination: an SMB server on the Internet that no internal host used recently.

use super::{
    meta::{Field, Finding, History, NewTerm, Rule, RuleMeta, SMB, Scope},
    sentence,
};
use crate::{
    address::Direction, attack::EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, level::Severity, service::Service,
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "rare-smb-destination",
    name: "Rare SMB destination on the Internet",
    description: "An internal host opened an SMB connection to an Internet address. No internal host completed a connection with that address in the days before. \
                  A lure that makes Windows fetch a file from a stranger looks like this.",
    false_positives: &[
        "the first use of each usual destination after the sensor has learnt: let it learn for longer (detection.learning_hours)",
        "a provider that moves a legitimate file service to a new address: exempt the provider's network with a reason",
    ],
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    scope: Scope {
        direction: Some(Direction::Outbound),
        services: SMB,
        new_term: Some(NewTerm { field: Field::DestinationIp, days: 7 }),
        evidence: None,
    },
};

/// Fires if the server is new and learning is over.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, history: &History<'_>) -> Option<Finding> {
        let applies = view.direction == Direction::Outbound && view.service == Service::Smb;
        (applies && history.new_destination).then(|| {
            let contact = sentence::contact(view);
            let server = view.server.ip();
            Finding::of(&META, vec![], format!("{contact}; no other SMB connection with {server} is known"))
        })
    }
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::TCP;

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{
            FlowFixture, HistoryFixture, Remedy, assert_false_positive, assert_names, fired, found,
        },
    };

    #[test]
    fn new_destination_is_rare() {
        let flow = FlowFixture::outbound().reached(EvidenceLevel::Data);
        assert_eq!(fired(&flow, &HistoryFixture::new_destination()), ["smb-to-internet", META.id]);
    }

    #[test]
    fn known_destination_other_service_and_new_client_are_not_rare() {
        assert!(found(&META, &FlowFixture::outbound(), &HistoryFixture::known()).is_none());
        for flow in [FlowFixture::outbound().on(TCP, 135), FlowFixture::inbound()] {
            assert!(found(&META, &flow, &HistoryFixture::new_destination()).is_none(), "{flow:?}");
        }
    }

    #[test]
    fn longer_learning_avoids_first_use_false_positive() {
        assert_names(&META, "detection.learning_hours");
        // While the sensor learns, no destination is new.
        let flow = FlowFixture::outbound();
        assert!(found(&META, &flow, &HistoryFixture::new_destination()).is_some());
        assert!(found(&META, &flow, &HistoryFixture::known()).is_none());
    }

    #[test]
    fn exempt_network_avoids_moving_service_false_positive() {
        let case = (&FlowFixture::outbound(), &HistoryFixture::new_destination());
        let remedy = Remedy::Exempt { client: None, server: Some("8.8.4.0/24") };
        assert_false_positive(&META, "moves a legitimate file service", case, &[remedy]);
    }
}
