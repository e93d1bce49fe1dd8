//! Facts about the external host of one incident from other incidents.

use std::{collections::BTreeSet, net::IpAddr};

use anyhow::Result;
use sensor_core::{
    incident::{Incident, Scope},
    time::Timestamp,
};

use super::incident;
use crate::{
    state,
    storage::{IncidentQuery, Reader},
};

/// The external host of an incident in the other ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere {
    /// The first packet of all incidents with it.
    pub(super) first: Timestamp,
    /// Internal hosts of the other incidents, this one's left out.
    pub(super) other_hosts: usize,
    /// Every connection that the sensor saw is in an incident, as far as the store knows: exemptions covered none, the quota held none
    /// back, and there are not only incidents of findings.
    pub(super) all_are_counted: bool,
}

impl Elsewhere {
    /// In the incidents of the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn read(of: &Incident, reader: &Reader) -> Result<Self> {
        let Some(external) = of.external.only_address() else { return Ok(Self::among(of, &[])) };
        let mut named = Vec::new();
        for row in reader.incidents(&IncidentQuery::default())? {
            if state::may_hold(&row, external) {
                named.push(incident(&row)?);
            }
        }
        let no_exemption =
            state::hits(reader.hits()?).values().all(|hit| hit.connections == 0 && hit.packets == 0);
        let none_held_back = reader.held_back(0, i64::MAX)?.is_empty();
        let all_are_counted = of.scope != Scope::Connection && no_exemption && none_held_back;
        Ok(Self { all_are_counted, ..Self::among(of, &named) })
    }

    /// In these incidents.
    pub(super) fn among(of: &Incident, incidents: &[Incident]) -> Self {
        let external = of.external.only_address();
        let with_it = |one: &&Incident| external.is_some_and(|it| one.external.addresses.contains(&it));
        let own: BTreeSet<IpAddr> = of.internal.addresses.iter().copied().collect();
        let others: BTreeSet<IpAddr> = incidents
            .iter()
            .filter(with_it)
            .flat_map(|one| one.internal.addresses.iter().copied())
            .filter(|address| !own.contains(address))
            .collect();
        let first = incidents.iter().filter(with_it).map(|one| one.first).fold(of.first, Timestamp::min);
        Self { first, other_hosts: others.len(), all_are_counted: false }
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::{
        event::Event,
        exempt::Hit,
        incident::{QuotaSummary, fixtures},
        rules,
    };

    use super::*;
    use crate::{
        ecs, output,
        storage::{Bounds, RowBatch, Writer, commit_alone},
    };

    /// Whether all connections are in incidents, with this in the store.
    fn all_are_counted(of: &Incident, batch: &RowBatch) -> bool {
        let directory = tempfile::tempdir().unwrap();
        drop(Writer::open(directory.path(), Bounds::default(), 0).unwrap());
        commit_alone(directory.path(), batch).unwrap();
        Elsewhere::read(of, &Reader::open(directory.path()).unwrap()).unwrap().all_are_counted
    }

    #[test]
    fn exempted_and_held_back_connections_are_not_counted() {
        let leak = fixtures::leak_accepted();
        let exempted = |connections| {
            let hits = [("one".to_owned(), Hit { connections, packets: 0, last: fixtures::START })];
            let mut batch = RowBatch::default();
            state::add_hits(&hits.into(), &mut batch);
            batch
        };
        assert!(all_are_counted(&leak, &exempted(0)));
        assert!(!all_are_counted(&leak, &exempted(1)));
        let of_rules = Incident { scope: Scope::Connection, ..leak.clone() };
        assert!(!all_are_counted(&of_rules, &exempted(0)), "connections without a finding have no incident");
        let at = fixtures::START;
        let held_back = [Event::Quota(QuotaSummary {
            rule: &rules::smb_to_internet::META,
            since: at,
            until: at,
            at,
            sequence: 1,
            opened: 100,
            held_back: 3,
            is_final: true,
            sources: vec![],
        })];
        let documents = output::documents(&held_back, &ecs::Sensor::default());
        let mut batch = RowBatch { documents, ..RowBatch::default() };
        state::add_summaries(&held_back, &mut batch);
        assert!(!all_are_counted(&leak, &batch));
    }

    #[test]
    fn counts_other_internal_hosts_and_the_first_packet() {
        let leak = fixtures::leak_accepted();
        let alone = Elsewhere::among(&leak, std::slice::from_ref(&leak));
        assert_eq!((alone.other_hosts, alone.first), (0, leak.first));
        let mut other = leak.clone();
        other.internal.addresses = vec!["10.0.0.9".parse().unwrap()];
        other.first = fixtures::after(-5_000);
        let mut elsewhere = other.clone();
        elsewhere.external.addresses = vec!["9.9.9.9".parse().unwrap()];
        let seen = Elsewhere::among(&leak, &[leak.clone(), other, elsewhere]);
        assert_eq!((seen.other_hosts, seen.first), (1, fixtures::after(-5_000)));
    }
}
