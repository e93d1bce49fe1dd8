//! The link from a connection to its incident: the incident, and the counts of the connection that it includes.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{Counted, IncidentId, LogonOutcome};
use crate::{level::EvidenceLevel, view::FlowView};

/// Kept with each connection, also over a restart of the sensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The incident that the connection belongs to.
    pub incident: Option<IncidentId>,
    /// What of the connection is counted in that incident.
    pub(crate) counted: Contribution,
    /// Credentials of the connection that were merged, with the outcome that was merged.
    pub(crate) credentials: HashMap<u64, Option<LogonOutcome>>,
    /// Rules that found something on the connection.
    pub(crate) found: BTreeSet<String>,
    /// The connection was counted for the exemption that covers it.
    pub(crate) exempt: bool,
    /// The quota held its incident back.
    pub(crate) held_back: bool,
    /// It spoke SMB, and is looked at again when the window of the quota is over.
    pub(crate) waits: bool,
    /// What a recording was reported of the connection.
    pub(crate) recorded: Recorded,
    /// When it was first judged, its server was a destination that nobody had connected to before.
    pub(crate) new_destination: bool,
    /// Another sensor knows its server.
    #[serde(default)]
    pub(crate) known_elsewhere: bool,
    /// What of its payload that left was counted for its hosts.
    pub(crate) left: u64,
}

/// What a recording of packets was reported of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Recorded {
    /// Nothing.
    #[default]
    Nothing,
    /// That it belongs to its incident.
    Joined,
    /// That it is over.
    Left,
}

/// What one connection adds to the sums of its incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contribution(pub(crate) Counted);

impl Contribution {
    /// What a connection adds as it stands.
    pub(crate) fn of(view: &FlowView<'_>) -> Self {
        let facts = view.facts;
        Self(Counted {
            connections: 1,
            silent: u64::from(view.level == EvidenceLevel::Attempt),
            refused: u64::from(view.level == EvidenceLevel::Refused),
            packets: view.counts.packets,
            bytes: view.counts.bytes,
            payload: view.counts.payload,
            retransmitted: view.counts.retransmitted,
            logons_refused: facts.map_or(0, |facts| facts.logons_refused.into()),
            logons_accepted: facts.map_or(0, |facts| facts.logons_accepted.into()),
            logons_anonymous: facts.map_or(0, |facts| facts.logons_anonymous.into()),
            dropped: u64::from(view.dropped),
            unread: u64::from(!view.complete),
            one_sided: u64::from(view.one_sided),
            joined_late: u64::from(view.joined_late),
        })
    }
}

impl Counted {
    /// Replaces what a connection added before by what it adds now.
    pub(crate) fn replace(&mut self, before: &Contribution, now: &Contribution) {
        let (before, now) = (&before.0, &now.0);
        let swap =
            |sum: &mut u64, before: u64, now: u64| *sum = sum.saturating_sub(before).saturating_add(now);
        swap(&mut self.connections, before.connections, now.connections);
        swap(&mut self.silent, before.silent, now.silent);
        swap(&mut self.refused, before.refused, now.refused);
        swap(&mut self.logons_refused, before.logons_refused, now.logons_refused);
        swap(&mut self.logons_accepted, before.logons_accepted, now.logons_accepted);
        swap(&mut self.logons_anonymous, before.logons_anonymous, now.logons_anonymous);
        swap(&mut self.dropped, before.dropped, now.dropped);
        swap(&mut self.unread, before.unread, now.unread);
        swap(&mut self.one_sided, before.one_sided, now.one_sided);
        swap(&mut self.joined_late, before.joined_late, now.joined_late);
        for side in 0..2 {
            swap(&mut self.packets[side], before.packets[side], now.packets[side]);
            swap(&mut self.bytes[side], before.bytes[side], now.bytes[side]);
            swap(&mut self.payload[side], before.payload[side], now.payload[side]);
            swap(&mut self.retransmitted[side], before.retransmitted[side], now.retransmitted[side]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adds(payload: u64) -> Contribution {
        Contribution(Counted { connections: 1, payload: [payload, 0], ..Counted::default() })
    }

    #[test]
    fn growing_and_moving_connections_leave_exact_sums() {
        let mut sum = Counted::default();
        sum.replace(&Contribution::default(), &adds(10));
        sum.replace(&Contribution::default(), &adds(5));
        sum.replace(&adds(10), &adds(70));
        assert_eq!((sum.connections, sum.payload[0]), (2, 75));
        sum.replace(&adds(70), &Contribution::default());
        assert_eq!((sum.connections, sum.payload[0]), (1, 5));
    }
}
