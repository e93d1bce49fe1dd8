//! Relations between incidents: a common external host, credential, or user.
//!
//! Takes incidents that were opened or show something new; gives the latest other incidents that have it in common, for the lists,
//! and counts those that an incident does not list. It never looks at all incidents one by one for a new one.

mod numbers;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use self::numbers::Numbers;
use super::{
    Credential, CredentialMethod, Incident, IncidentId, LogonOutcome, SETTLED, Scope, StoredIncident,
    book::REMEMBERED,
};
use crate::{address::Direction, time::Timestamp};

/// Incidents that one incident lists, and the latest ones with the same thing that are tried for a list.
pub const MAX_RELATED: usize = 64;

/// The longest time until the counts of incidents are stored that have something in common with new ones all the time.
const MAX_UNSETTLED: Duration = Duration::from_secs(3_600);

/// Incidents whose counts are made anew each time, so that a large number does not hold up packets.
const AT_ONCE: usize = 64;

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
    /// Other incidents with something in common that are not listed, each once, as the incident was last written.
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

impl StoredIncident {
    /// What another incident has in common with it, if one of them began while the other was remembered.
    #[must_use]
    pub fn in_common(&self, other: &Self) -> BTreeSet<RelationKind> {
        let [one, two] = [&self.incident, &other.incident];
        let gap = one.first.since(two.last).max(two.first.since(one.last));
        if one.id == two.id || gap >= REMEMBERED {
            return BTreeSet::new();
        }
        // One of an earlier version has nothing stored.
        let all = |of: &Self| of.shared.iter().cloned().chain(shared(&of.incident)).collect::<BTreeSet<_>>();
        all(self).intersection(&all(other)).map(Shared::kind).collect()
    }
}

/// Something that incidents may have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Shared {
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

/// The incidents with one thing.
#[derive(Debug, Default)]
struct Sharing {
    /// The latest ones.
    latest: VecDeque<IncidentId>,
    /// The numbers of all.
    all: Numbers,
}

/// Which incidents have what. All that are remembered are counted, so their number is the only bound.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    sharing: HashMap<Shared, Sharing>,
    /// A number for each incident that has something, the smallest that was free.
    numbers: HashMap<IncidentId, u32>,
    by_number: Vec<Option<IncidentId>>,
    free: BTreeSet<u32>,
    /// Things that more or fewer incidents have than when the counts were stored.
    changed: HashMap<Shared, Changed>,
    /// Incidents whose counts are to be made anew.
    outdated: BTreeSet<IncidentId>,
}

/// When incidents with something came, or went.
#[derive(Clone, Copy, Debug)]
struct Changed {
    first: Timestamp,
    last: Timestamp,
}

impl Relations {
    /// Notes what an incident has, beside what of it is `known`. Gives the latest others with what is new, the first ones first.
    pub(super) fn note(
        &mut self,
        incident: &Incident,
        known: &mut BTreeSet<Shared>,
        now: Timestamp,
    ) -> Vec<(IncidentId, RelationKind)> {
        let mut found = Vec::new();
        for one in shared(incident) {
            if !known.contains(&one) {
                found.extend(self.add(incident.id, &one, now));
                known.insert(one);
            }
        }
        found
    }

    /// The same after a restart, when all that the incident has is new here.
    pub(super) fn restore(
        &mut self,
        incident: &Incident,
        known: &mut BTreeSet<Shared>,
    ) -> Vec<(IncidentId, RelationKind)> {
        // One of an earlier version has nothing stored.
        known.extend(shared(incident));
        known.iter().flat_map(|one| self.add(incident.id, one, incident.updated)).collect()
    }

    fn add(&mut self, id: IncidentId, one: &Shared, now: Timestamp) -> Vec<(IncidentId, RelationKind)> {
        let number = self.number(id);
        let sharing = self.sharing.entry(one.clone()).or_default();
        let found = sharing.latest.iter().map(|other| (*other, one.kind())).collect();
        if sharing.latest.len() == MAX_RELATED {
            sharing.latest.pop_front();
        }
        sharing.latest.push_back(id);
        sharing.all.insert(number);
        self.note_change(one, now);
        found
    }

    fn note_change(&mut self, one: &Shared, now: Timestamp) {
        let changed = Changed { first: now, last: now };
        self.changed.entry(one.clone()).and_modify(|known| known.last = now).or_insert(changed);
    }

    fn number(&mut self, id: IncidentId) -> u32 {
        if let Some(number) = self.numbers.get(&id) {
            return *number;
        }
        let number = self.free.pop_first().unwrap_or_else(|| {
            self.by_number.push(None);
            self.by_number.len() as u32 - 1
        });
        self.by_number[number as usize] = Some(id);
        self.numbers.insert(id, number);
        number
    }

    /// Other incidents that have one of these things and are not listed, each once.
    pub(super) fn left_out(
        &self,
        id: IncidentId,
        known: &BTreeSet<Shared>,
        listed: &RelatedIncidents,
    ) -> u64 {
        let mut things = known.iter().filter_map(|one| self.sharing.get(one)).map(|sharing| &sharing.all);
        let Some(first) = things.next() else { return 0 };
        let mut united = None;
        for more in things {
            united.get_or_insert_with(|| first.clone()).add(more);
        }
        let all = united.as_ref().unwrap_or(first);
        let own = listed.incidents.iter().map(|(other, _)| other).chain([&id]);
        let own = own.filter_map(|one| self.numbers.get(one)).filter(|number| all.contains(**number));
        all.len() - own.count() as u64
    }

    /// Incidents whose counts are to be made anew, as the last change to what they have was a while ago, or the first one long ago: a few
    /// each time.
    pub(super) fn outdated(&mut self, now: Timestamp) -> Vec<IncidentId> {
        self.settle(|changed| {
            now.distance(changed.last) >= SETTLED || now.distance(changed.first) >= MAX_UNSETTLED
        });
        std::iter::from_fn(|| self.outdated.pop_first()).take(AT_ONCE).collect()
    }

    /// All incidents whose counts are to be made anew.
    pub(super) fn all_outdated(&mut self) -> BTreeSet<IncidentId> {
        self.settle(|_| true);
        std::mem::take(&mut self.outdated)
    }

    fn settle(&mut self, is_due: impl Fn(&Changed) -> bool) {
        let (sharing, by_number, outdated) = (&self.sharing, &self.by_number, &mut self.outdated);
        self.changed.retain(|one, changed| {
            let is_settled = is_due(changed);
            if is_settled && let Some(sharing) = sharing.get(one) {
                outdated.extend(sharing.all.iter().filter_map(|number| by_number[number as usize]));
            }
            !is_settled
        });
    }

    /// An incident with these things is forgotten.
    pub(super) fn forget(&mut self, id: IncidentId, known: &BTreeSet<Shared>, now: Timestamp) {
        let Some(number) = self.numbers.remove(&id) else { return };
        self.by_number[number as usize] = None;
        self.free.insert(number);
        self.outdated.remove(&id);
        for one in known {
            let Some(sharing) = self.sharing.get_mut(one) else { continue };
            sharing.latest.retain(|other| *other != id);
            sharing.all.remove(number);
            if sharing.all.is_empty() {
                self.sharing.remove(one);
                self.changed.remove(one);
            } else {
                self.note_change(one, now);
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
