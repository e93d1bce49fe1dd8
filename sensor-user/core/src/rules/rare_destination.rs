//! Rare SMB destination: an SMB server on the Internet that nobody here talked to lately.

use super::{Direction, Rule, Service, Severity, Sight};
use crate::{
    attack::EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
    terms::{KnownTerms, Term},
};

pub(crate) static RULE: Rule = Rule {
    id: "rare-smb-destination",
    name: "Rare SMB destination on the Internet",
    description: "An internal machine opened an SMB connection to an Internet address that no internal machine has been \
                  seen to use in the days before. A lure that makes Windows fetch a file from a stranger looks like this.",
    false_positives: &[
        "the first days after the sensor has learnt (`detection.learning_hours`), until every usual destination was used once",
        "a provider that moves a legitimate file service to a new address",
    ],
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    check: "Ask who owns the address (reverse name, registry, reputation) and look at what the client's user did in the \
            seconds before: mail opened, link followed, document loaded.",
    contain: "Block the address at the border and isolate the client until the origin of the connection is known.",
};

pub(super) fn fires(sight: &Sight<'_>, terms: &mut impl KnownTerms, now: i128) -> bool {
    sight.direction == Direction::Outbound
        && sight.service == Service::Smb
        // While it still learns, every destination is new and none of them rare.
        && terms.is_new(Term { rule: RULE.id, address: sight.server.ip() }, now)
        && terms.learning_until(now).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        detect::fixtures::{Always, assert_known_false_positive, exempt, inbound, outbound, rules, sight},
        flow::Evidence,
    };
    use sensor_common::slot::TCP;

    #[test]
    fn a_new_destination_is_rare() {
        assert_eq!(rules(&outbound(445, Evidence::Data), true), ["smb-to-internet", RULE.id]);
    }

    #[test]
    fn a_known_destination_is_not_and_neither_is_a_new_stranger() {
        assert_eq!(rules(&outbound(445, Evidence::Data), false), ["smb-to-internet"]);
        assert!(!rules(&inbound(TCP, 445, Evidence::Data), true).contains(&RULE.id));
        assert!(rules(&outbound(135, Evidence::Data), true).is_empty());
    }

    /// Everything is new, and nothing was learnt before this time.
    struct LearningUntil(i128);

    impl KnownTerms for LearningUntil {
        fn is_new(&mut self, _: Term, _: i128) -> bool {
            true
        }

        fn learning_until(&mut self, now: i128) -> Option<i128> {
            (now < self.0).then_some(self.0)
        }
    }

    #[test]
    fn the_first_use_after_learning_is_a_false_positive_that_longer_learning_spares() {
        assert!(RULE.false_positives.iter().any(|told| told.contains("detection.learning_hours")));
        let flow = outbound(445, Evidence::Data);
        let fires = |mut known| fires(&sight(&flow), &mut known, 100);
        assert!(fires(LearningUntil(100)), "learning was over a moment before");
        assert!(!fires(LearningUntil(101)));
    }

    #[test]
    fn a_service_that_moves_is_a_false_positive_until_its_new_address_is_exempt() {
        let flow = outbound(445, Evidence::Data);
        assert!(fires(&sight(&flow), &mut Always(true), 0));
        let configs = [&Config::default(), &exempt(None, Some("8.8.4.0/24"))];
        assert_known_false_positive(&RULE, "moves a legitimate file service", &[flow], configs);
    }
}
