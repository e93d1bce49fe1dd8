//! Rare SMB destination: an SMB server on the Internet that nobody here talked to lately.

use super::{Direction, Rule, Service, Severity, Sight};
use crate::{attack::EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, terms::KnownDestinations};

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

pub(super) fn fires(sight: &Sight<'_>, destinations: &mut impl KnownDestinations, now: i128) -> bool {
    sight.direction == Direction::Outbound
        && sight.service == Service::Smb
        // While it still learns, every destination is new and none of them rare.
        && destinations.is_new(sight.server.ip(), now)
        && destinations.learning_until(now).is_none()
}
