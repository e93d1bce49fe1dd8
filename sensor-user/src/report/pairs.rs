//! The pairs of hosts with the worst incidents and the most traffic.

use std::{cmp::Reverse, collections::BTreeMap};

use sensor_core::{address::Direction, incident::Incident, level::Severity};
use serde::Serialize;

/// Pairs that are listed.
const LISTED: usize = 10;

/// What all incidents of one internal and one external host say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pair {
    pub(crate) internal: String,
    pub(crate) internal_name: Option<String>,
    pub(crate) external: String,
    pub(crate) external_name: Option<String>,
    /// `outbound` or `inbound`: who opened the connections.
    pub(crate) direction: Direction,
    pub(crate) severity: Severity,
    pub(crate) incidents: u64,
    pub(crate) connections: u64,
    pub(crate) left_bytes: u64,
    pub(crate) came_bytes: u64,
}

/// Pairs of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pairs {
    /// How many there are.
    pub(crate) total: u64,
    /// The first ones: by severity, then by bytes, then by connections.
    pub(crate) top: Vec<Pair>,
}

impl Pairs {
    /// The pairs in these incidents. Incidents of many hosts have none.
    pub(super) fn of(incidents: &[Incident]) -> Self {
        let mut all: BTreeMap<_, Pair> = BTreeMap::new();
        for one in incidents {
            let (Some(internal), Some(external)) = (one.internal.only_address(), one.external.only_address())
            else {
                continue;
            };
            let pair =
                all.entry((internal, external, one.direction == Direction::Inbound)).or_insert_with(|| {
                    Pair {
                        internal: internal.to_string(),
                        internal_name: None,
                        external: external.to_string(),
                        external_name: None,
                        direction: one.direction,
                        severity: one.severity,
                        incidents: 0,
                        connections: 0,
                        left_bytes: 0,
                        came_bytes: 0,
                    }
                });
            pair.severity = pair.severity.max(one.severity);
            let name = |party: &sensor_core::incident::Party| party.best_name().map(str::to_owned);
            pair.internal_name = pair.internal_name.take().or_else(|| name(&one.internal));
            pair.external_name = pair.external_name.take().or_else(|| name(&one.external));
            pair.incidents += 1;
            pair.connections += one.counted.connections;
            pair.left_bytes += one.counted.payload[0];
            pair.came_bytes += one.counted.payload[1];
        }
        let total = all.len() as u64;
        let mut all: Vec<_> = all.into_values().collect();
        all.sort_by_key(|pair| Reverse((pair.severity, pair.left_bytes + pair.came_bytes, pair.connections)));
        all.truncate(LISTED);
        Self { total, top: all }
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::{incident::fixtures, level::EvidenceLevel};

    use super::*;

    #[test]
    fn incidents_of_a_pair_are_one_row_and_the_worst_is_first() {
        let mut quiet = fixtures::pair(Direction::Outbound, "10.0.0.9", "9.9.9.9", EvidenceLevel::Attempt);
        quiet.severity = Severity::Low;
        let leak = fixtures::leak_accepted();
        let pairs = Pairs::of(&[quiet, leak.clone(), leak.clone(), fixtures::sweep()]);
        assert_eq!(pairs.total, 2, "a sweep is no pair");
        let first = &pairs.top[0];
        assert_eq!((first.internal.as_str(), first.external.as_str()), ("10.0.0.2", "8.8.4.4"));
        assert_eq!(
            (first.severity, first.incidents, first.direction),
            (Severity::Critical, 2, Direction::Outbound)
        );
        assert_eq!(first.left_bytes, 2 * leak.counted.payload[0]);
        assert_eq!(first.internal_name.as_deref(), Some("PC-ANN"));
    }

    #[test]
    fn directions_are_pairs_of_their_own_and_the_list_is_bounded() {
        let number = |number: u8, direction| {
            fixtures::pair(direction, &format!("10.0.0.{number}"), "9.9.9.9", EvidenceLevel::Attempt)
        };
        let incidents: Vec<_> = (1..=8)
            .flat_map(|one| [number(one, Direction::Outbound), number(one, Direction::Inbound)])
            .collect();
        let pairs = Pairs::of(&incidents);
        assert_eq!((pairs.total, pairs.top.len()), (16, LISTED));
    }
}
