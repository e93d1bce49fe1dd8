//! SMB 1 across the border: the dialect that worms spread by, with an external host at one end.

use sensor_dissect::{Facts, facts::Dialect};

use super::meta::{Finding, History, Rule, RuleMeta, SMB, Scope};
use crate::{
    attack::{EXPLOIT_PUBLIC_FACING_APPLICATION, EXTERNAL_REMOTE_SERVICES},
    level::Severity,
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "smb1-across-border",
    name: "SMB 1 spoken across the border",
    description: "An internal and an external host agreed on SMB 1. It knows no encryption and protects little of what it carries. \
                  Its servers have been taken over by the thousands, and Windows has not installed it by default for years.",
    false_positives: &[
        "old devices (copiers, storage, controllers) that your own sites reach over public addresses: list those addresses under networks.internal",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXPLOIT_PUBLIC_FACING_APPLICATION, &EXTERNAL_REMOTE_SERVICES],
    scope: Scope {
        direction: None,
        services: SMB,
        new_term: None,
        evidence: Some("both ends agree on SMB 1"),
    },
};

/// Fires once the server chose SMB 1, or answered a message that only follows that choice.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        let (client, server) = (view.client.ip(), view.server.ip());
        let facts = view.facts?;
        let fact = match &facts.dialect {
            Some(Dialect::Smb1(name)) => format!("{client} and {server} agreed on SMB 1 ({name})"),
            // A client that only offers SMB 1 has no agreement yet.
            _ if !facts.smb1 || facts.smb2 => return None,
            _ if was_answered(facts) => format!("{server} answered {client} in SMB 1"),
            _ if view.settled && view.one_sided && went_on(facts) => {
                format!("{client} went on in SMB 1 with {server}, of which no packet was seen")
            }
            _ => return None,
        };
        Some(Finding::of(&META, vec![], fact))
    }
}

/// The server answered a message that follows the negotiation.
fn was_answered(facts: &Facts) -> bool {
    let credential = facts.credentials.iter().any(|credential| credential.outcome.is_some());
    let share = facts.shares.iter().any(|share| share.outcome.is_some());
    credential || share || facts.trees > 0 || !facts.session_statuses.is_empty()
}

/// The client continued as if the server had agreed. It can do so against the server's answer, so this counts only
/// if the server's packets pass elsewhere.
const fn went_on(facts: &Facts) -> bool {
    !facts.credentials.is_empty() || !facts.shares.is_empty()
}

#[cfg(test)]
mod tests {
    use sensor_dissect::{
        facts::{Outcome, Share},
        status::Status,
    };

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{FlowFixture, HistoryFixture, Remedy, assert_false_positive, found},
    };

    const REFUSED: Status = Status::Nt(0xC000_006D);

    fn knowing(flow: FlowFixture, facts: Facts) -> FlowFixture {
        flow.reached(EvidenceLevel::Smb).knowing(|known| *known = facts)
    }

    fn agreed() -> Facts {
        Facts { smb1: true, dialect: Some(Dialect::Smb1("NT LM 0.12".into())), ..Facts::default() }
    }

    fn fires(flow: &FlowFixture) -> bool {
        found(&META, flow, &HistoryFixture::known()).is_some()
    }

    #[test]
    fn fires_once_the_server_chooses_smb1_in_either_direction() {
        assert!(fires(&knowing(FlowFixture::inbound(), agreed())));
        assert!(fires(&knowing(FlowFixture::outbound(), agreed())));
    }

    #[test]
    fn offer_and_later_dialect_are_silent() {
        let offered = Facts { smb1: true, ..Facts::default() };
        let later = Facts { smb2: true, dialect: Some(Dialect::Smb2(0x0311)), ..offered.clone() };
        for facts in [offered, later] {
            assert!(!fires(&knowing(FlowFixture::inbound(), facts)));
        }
    }

    #[test]
    fn later_answers_show_the_dialect_of_a_missed_negotiation() {
        let share = |outcome| Share { path: r"\\h\s".to_owned(), kind: None, outcome };
        let answers = [
            Facts { session_statuses: vec![REFUSED], ..Facts::default() },
            Facts { shares: vec![share(Some(Outcome::Refused(REFUSED)))], ..Facts::default() },
        ];
        for answer in answers {
            let facts = |smb1, smb2| Facts { smb1, smb2, ..answer.clone() };
            assert!(fires(&knowing(FlowFixture::inbound(), facts(true, false))));
            assert!(!fires(&knowing(FlowFixture::inbound(), facts(false, true))));
            assert!(!fires(&knowing(FlowFixture::inbound(), facts(true, true))));
        }
        let asked = Facts { smb1: true, shares: vec![share(None)], ..Facts::default() };
        assert!(!fires(&knowing(FlowFixture::inbound(), asked.clone())), "no answer, no agreement");
        let one_sided = FlowFixture::inbound().seen(|view| view.one_sided = true);
        assert!(fires(&knowing(one_sided.clone(), asked.clone())), "where no answer can be seen");
        let unsettled = one_sided.seen(|view| view.settled = false);
        assert!(!fires(&knowing(unsettled, asked)), "the answer may still come");
    }

    #[test]
    fn listed_address_avoids_old_device_false_positive() {
        let case = (&knowing(FlowFixture::outbound(), agreed()), &HistoryFixture::known());
        assert_false_positive(&META, "old devices", case, &[Remedy::Internal("8.8.4.0/24")]);
    }
}
