//! Sweep: one client tries the Windows networking of many hosts at the other side of the border.

use super::{
    limits::Limits,
    meta::{BY_PORT, Finding, History, Rule, RuleMeta, Scope, TargetCounts},
    sentence,
};
use crate::{address::Direction, attack::NETWORK_SERVICE_DISCOVERY, level::Severity, view::FlowView};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "smb-sweep",
    name: "Sweep for Windows networking across the border",
    description: "One client tried SMB, NetBIOS or DCE-RPC on many hosts at the other side of the border. From the inside, a worm or an \
                  intruder with a scanner spreads in this way. From the outside, somebody looks for open ports.",
    false_positives: &[
        "a monitoring or inventory system that polls many hosts at a provider: exempt it with a reason",
        "a vulnerability scan that you ordered: exempt the scanner while it runs",
        "public addresses of your own organisation: list them under networks.internal",
    ],
    severity: Severity::High,
    risk_score: 82,
    techniques: &[&NETWORK_SERVICE_DISCOVERY],
    scope: Scope {
        direction: None,
        services: BY_PORT,
        new_term: None,
        evidence: Some(
            "the client tries detection.sweep_targets distinct hosts, with pauses below detection.sweep_window seconds",
        ),
    },
};

/// Finds nothing on a single connection: [`finding`] decides by the targets of a client.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, _: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        None
    }
}

/// The finding on a client that tried this many targets, `at_least` if more were not counted; `None` if they are not many.
///
/// Every host on the Internet is swept all day, so an inbound sweep is medium if a target answered, and low if
/// none did. An internal host that sweeps the Internet is high.
#[must_use]
pub fn finding(
    direction: Direction,
    counts: &TargetCounts,
    at_least: bool,
    limits: &Limits,
) -> Option<Finding> {
    if counts.targets < u64::try_from(limits.sweep.targets).unwrap_or(u64::MAX) {
        return None;
    }
    let (client, hosts) = match direction {
        Direction::Outbound => ("an internal client", "external host"),
        Direction::Inbound => ("an external client", "internal host"),
    };
    let fact = format!(
        "{client} tried {}{}: {} answered, {} refused, {} gave no answer",
        if at_least { "at least " } else { "" },
        sentence::counted(counts.targets, hosts),
        counts.answered,
        counts.refused,
        counts.silent
    );
    let mut finding = Finding::of(&META, vec![&NETWORK_SERVICE_DISCOVERY], fact);
    (finding.severity, finding.risk_score) = match direction {
        Direction::Outbound => (META.severity, META.risk_score),
        Direction::Inbound if counts.answered > 0 => (Severity::Medium, 47),
        Direction::Inbound => (Severity::Low, 21),
    };
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixtures::assert_names;

    fn counts(targets: u64, answered: u64, refused: u64) -> TargetCounts {
        TargetCounts { targets, answered, refused, silent: targets - answered - refused }
    }

    fn judged(direction: Direction, counts: TargetCounts) -> Option<(Severity, u8)> {
        let finding = finding(direction, &counts, false, &Limits::default())?;
        Some((finding.severity, finding.risk_score))
    }

    #[test]
    fn many_targets_of_one_client_are_a_sweep() {
        let finding = finding(Direction::Outbound, &counts(300, 10, 41), false, &Limits::default()).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::High, 82));
        assert_eq!(finding.techniques, [&NETWORK_SERVICE_DISCOVERY]);
        let fact = "an internal client tried 300 external hosts: 10 answered, 41 refused, 249 gave no answer";
        assert_eq!(finding.fact, fact);
    }

    #[test]
    fn inbound_sweep_is_medium_if_answered_and_low_otherwise() {
        assert_eq!(judged(Direction::Inbound, counts(20, 1, 0)), Some((Severity::Medium, 47)));
        assert_eq!(judged(Direction::Inbound, counts(20, 0, 20)), Some((Severity::Low, 21)));
    }

    #[test]
    fn fewer_targets_than_the_limit_are_no_sweep() {
        assert_eq!(judged(Direction::Outbound, counts(19, 19, 0)), None);
        assert!(judged(Direction::Outbound, counts(20, 0, 0)).is_some());
    }

    #[test]
    fn false_positives_name_known_sources() {
        // Rules do not see their connections once they are exempt or internal, so they are never counted.
        for words in
            ["monitoring or inventory system", "scan that you ordered", "public addresses of your own"]
        {
            assert_names(&META, words);
        }
    }
}
