//! Facts about the external host of one incident from other incidents.

use std::{collections::BTreeSet, net::IpAddr};

use anyhow::Result;
use sensor_core::{incident::Incident, time::Timestamp};

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
        Ok(Self::among(of, &named))
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
        Self { first, other_hosts: others.len() }
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::fixtures;

    use super::*;

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
