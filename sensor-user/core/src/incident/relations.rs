//! Relations between incidents: a common external host, credential, or user.
//!
//! Takes incidents that were opened or show something new; gives the other incidents that have it in common.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use super::{Credential, CredentialMethod, Incident, IncidentId, LogonOutcome, Scope};
use crate::address::Direction;

/// Incidents that are remembered for each thing that incidents have in common: the latest ones.
const MAX_SHARING: usize = 64;

/// Incidents that one incident lists: as many as are remembered for one thing.
pub const MAX_RELATED: usize = MAX_SHARING;

/// What two incidents have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// The external host.
    ExternalHost,
    /// An NTLM response or a ticket.
    Credential,
    /// The user of a credential that was given away, or accepted from outside.
    User,
}

impl RelationKind {
    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExternalHost => "external_host",
            Self::Credential => "credential",
            Self::User => "user",
        }
    }
}

/// Other incidents that have something in common with one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RelatedIncidents {
    /// The campaign, by the identifier of its first incident.
    pub campaign: Option<IncidentId>,
    /// The first ones, each with what it has in common. Each of them lists this one too.
    pub incidents: Vec<(IncidentId, BTreeSet<RelationKind>)>,
    /// How often something in common was found with an incident that is not listed, because one of the two lists was full.
    pub left_out: u64,
}

impl RelatedIncidents {
    /// Lists two incidents in each other, or in neither where one of the lists is full. Returns whether that is new.
    pub(super) fn link(
        (one, its): (IncidentId, &mut Self),
        (other, others): (IncidentId, &mut Self),
        kind: RelationKind,
    ) -> bool {
        if !its.has_room_for(other) || !others.has_room_for(one) {
            its.left_out += 1;
            others.left_out += 1;
            return false;
        }
        // One of an earlier version may list the other alone.
        its.add(other, kind) | others.add(one, kind)
    }

    fn has_room_for(&self, id: IncidentId) -> bool {
        self.incidents.len() < MAX_RELATED || self.incidents.iter().any(|(known, _)| *known == id)
    }

    /// Adds one. Returns whether it is new.
    fn add(&mut self, id: IncidentId, kind: RelationKind) -> bool {
        if let Some((_, kinds)) = self.incidents.iter_mut().find(|(known, _)| *known == id) {
            kinds.insert(kind);
            return false;
        }
        self.incidents.push((id, BTreeSet::from([kind])));
        true
    }
}

/// Something that incidents may have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Shared {
    External(IpAddr),
    Fingerprint(String),
    /// In lower case.
    Account(String),
}

impl Shared {
    const fn kind(&self) -> RelationKind {
        match self {
            Self::External(_) => RelationKind::ExternalHost,
            Self::Fingerprint(_) => RelationKind::Credential,
            Self::Account(_) => RelationKind::User,
        }
    }
}

/// Which incidents have what.
#[derive(Debug, Default)]
pub(super) struct Relations {
    sharing: HashMap<Shared, VecDeque<IncidentId>>,
    of: HashMap<IncidentId, BTreeSet<Shared>>,
}

impl Relations {
    /// Notes what an incident has. Gives the others with what is new of that, the first ones first.
    pub(super) fn note(&mut self, incident: &Incident) -> Vec<(IncidentId, RelationKind)> {
        let known = self.of.entry(incident.id).or_default();
        let mut found = Vec::new();
        for one in shared(incident) {
            if !known.insert(one.clone()) {
                continue;
            }
            let kind = one.kind();
            let sharing = self.sharing.entry(one).or_default();
            found.extend(sharing.iter().filter(|other| **other != incident.id).map(|other| (*other, kind)));
            if sharing.len() == MAX_SHARING {
                sharing.pop_front();
            }
            sharing.push_back(incident.id);
        }
        found
    }

    /// An incident is forgotten.
    pub(super) fn forget(&mut self, id: IncidentId) {
        for one in self.of.remove(&id).into_iter().flatten() {
            if let Some(sharing) = self.sharing.get_mut(&one) {
                sharing.retain(|known| *known != id);
                if sharing.is_empty() {
                    self.sharing.remove(&one);
                }
            }
        }
    }
}

/// What an incident may have in common with others. The published profiles have an alert for each connection: those are not
/// incidents.
fn shared(incident: &Incident) -> BTreeSet<Shared> {
    if incident.scope == Scope::Connection {
        return BTreeSet::new();
    }
    let external = incident.external.only_address().map(Shared::External);
    let real = incident.credentials.iter().filter(|one| one.method != CredentialMethod::Anonymous);
    let fingerprints = real.clone().flat_map(|one| one.fingerprints.iter().cloned().map(Shared::Fingerprint));
    // Half the Internet tries `administrator`: a refused guess connects nobody.
    let is_telling = |one: &&Credential| {
        incident.direction == Direction::Outbound || one.outcome == Some(LogonOutcome::Accepted)
    };
    let accounts = real.filter(is_telling).filter_map(account).map(Shared::Account);
    external.into_iter().chain(fingerprints).chain(accounts).collect()
}

fn account(credential: &Credential) -> Option<String> {
    credential.user.as_deref().filter(|user| !user.is_empty())?;
    credential.account().map(|account| account.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures;

    fn numbered(number: u64, incident: Incident) -> Incident {
        Incident { id: IncidentId(number), ..incident }
    }

    #[test]
    fn incidents_share_a_host_a_credential_and_a_user_once_each() {
        use RelationKind::{Credential, ExternalHost, User};
        let mut relations = Relations::default();
        let first = numbered(1, fixtures::leak_accepted());
        assert_eq!(relations.note(&first), []);
        assert_eq!(relations.note(&first), [], "nothing of itself");
        let mut second = numbered(2, fixtures::leak_accepted());
        second.external.addresses = vec!["9.9.9.9".parse().unwrap()];
        let found = relations.note(&second);
        let expected = if second.credentials[0].fingerprints.is_empty() {
            vec![(IncidentId(1), User)]
        } else {
            vec![(IncidentId(1), Credential), (IncidentId(1), User)]
        };
        assert_eq!(found, expected);
        let third = numbered(3, fixtures::tls_on_445());
        let mut third = third;
        third.external.addresses = vec!["9.9.9.9".parse().unwrap()];
        assert_eq!(relations.note(&third), [(IncidentId(2), ExternalHost)]);
        assert_eq!(relations.note(&second), [], "what is known is not found again");
    }

    #[test]
    fn refused_guess_of_a_stranger_connects_nobody_and_an_accepted_one_does() {
        let mut relations = Relations::default();
        let with = |number: u64, address: &str, incident: Incident| {
            let mut one = numbered(number, incident);
            one.external.addresses = vec![address.parse().unwrap()];
            one.credentials.iter_mut().for_each(|credential| credential.fingerprints.clear());
            one
        };
        relations.note(&with(1, "9.9.9.1", fixtures::guessing_refused()));
        assert_eq!(relations.note(&with(2, "9.9.9.2", fixtures::guessing_refused())), []);
        assert_eq!(relations.note(&with(3, "9.9.9.3", fixtures::guessing_succeeded())), []);
        let found = relations.note(&with(4, "9.9.9.4", fixtures::guessing_succeeded()));
        assert_eq!(found, [(IncidentId(3), RelationKind::User)]);
    }

    #[test]
    fn forgotten_incident_is_found_no_more_and_sharing_is_bounded() {
        let mut relations = Relations::default();
        for number in 0..1_000 {
            let found = relations.note(&numbered(number, fixtures::tls_on_445()));
            assert!(found.len() <= MAX_SHARING);
        }
        (0..1_000).for_each(|number| relations.forget(IncidentId(number)));
        assert!(relations.sharing.is_empty() && relations.of.is_empty());
        assert_eq!(relations.note(&numbered(7, fixtures::tls_on_445())), []);
    }

    #[test]
    fn full_list_takes_no_link_and_neither_does_the_other_one() {
        let kind = RelationKind::User;
        let (mut full, mut others) = (RelatedIncidents::default(), vec![RelatedIncidents::default(); 100]);
        for (other, number) in others.iter_mut().zip(1..) {
            let is_new =
                RelatedIncidents::link((IncidentId(0), &mut full), (IncidentId(number), other), kind);
            assert_eq!(is_new, number <= MAX_RELATED as u64);
            assert_eq!((other.incidents.len(), other.left_out), (usize::from(is_new), u64::from(!is_new)));
        }
        assert_eq!((full.incidents.len(), full.left_out), (MAX_RELATED, 100 - MAX_RELATED as u64));
        let again = RelationKind::Credential;
        let is_new =
            RelatedIncidents::link((IncidentId(0), &mut full), (IncidentId(1), &mut others[0]), again);
        assert!(!is_new && full.incidents[0].1.len() == 2 && others[0].incidents[0].1.len() == 2);
    }
}
