//! Relations between incidents: a common external host, credential, or user.
//!
//! Takes incidents that were opened or show something new; gives the latest other incidents that have it in common, for the lists,
//! and counts those that an incident does not list. It never looks at all incidents one by one for a new one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Credential, CredentialMethod, Incident, IncidentId, LogonOutcome, Scope, StoredIncident, book::REMEMBERED,
};
use crate::{address::Direction, time::Timestamp};

/// Incidents that one incident lists, and the latest ones with the same thing that are tried for a list.
pub const MAX_RELATED: usize = 64;

/// Time without another incident with the same thing, or one less, after which the counts of the others are stored.
const SETTLED: Duration = Duration::from_secs(300);

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

/// A set of small numbers: words of 64 bits that are not zero, so that many of them are united in few steps.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<u32, u64>);

impl Numbers {
    fn insert(&mut self, number: u32) {
        *self.0.entry(number / 64).or_default() |= 1 << (number % 64);
    }

    fn remove(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(&(number / 64)) {
            *word &= !(1 << (number % 64));
            if *word == 0 {
                self.0.remove(&(number / 64));
            }
        }
    }

    fn contains(&self, number: u32) -> bool {
        self.0.get(&(number / 64)).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn add(&mut self, others: &Self) {
        others.0.iter().for_each(|(at, word)| *self.0.entry(*at).or_default() |= word);
    }

    fn len(&self) -> u64 {
        self.0.values().map(|word| u64::from(word.count_ones())).sum()
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        let bits = |word: u64| (0..64).filter(move |bit| word >> bit & 1 == 1);
        self.0.iter().flat_map(move |(at, word)| bits(*word).map(move |bit| at * 64 + bit))
    }
}

/// Which incidents have what. All that are remembered are counted, so their number is the only bound.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    sharing: HashMap<Shared, Sharing>,
    /// A number for each incident that has something, the smallest that was free.
    numbers: HashMap<IncidentId, u32>,
    by_number: Vec<Option<IncidentId>>,
    free: BTreeSet<u32>,
    /// Things that more or fewer incidents have than when the counts were stored, and since when.
    changed: HashMap<Shared, Timestamp>,
    /// Incidents whose counts are to be made anew.
    outdated: BTreeSet<IncidentId>,
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
        self.changed.insert(one.clone(), now);
        found
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
            united.get_or_insert_with(|| Numbers(first.0.clone())).add(more);
        }
        let all = united.as_ref().unwrap_or(first);
        let own = listed.incidents.iter().map(|(other, _)| other).chain([&id]);
        let own = own.filter_map(|one| self.numbers.get(one)).filter(|number| all.contains(**number));
        all.len() - own.count() as u64
    }

    /// Incidents whose counts are to be made anew, as the last change to what they have was a while ago: a few each time.
    pub(super) fn outdated(&mut self, now: Timestamp, is_end: bool) -> Vec<IncidentId> {
        let (sharing, by_number, outdated) = (&self.sharing, &self.by_number, &mut self.outdated);
        self.changed.retain(|one, at| {
            let is_settled = is_end || now.distance(*at) >= SETTLED;
            if is_settled && let Some(sharing) = sharing.get(one) {
                outdated.extend(sharing.all.iter().filter_map(|number| by_number[number as usize]));
            }
            !is_settled
        });
        let most = if is_end { usize::MAX } else { AT_ONCE };
        std::iter::from_fn(|| self.outdated.pop_first()).take(most).collect()
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
            if sharing.all.0.is_empty() {
                self.sharing.remove(one);
                self.changed.remove(one);
            } else {
                self.changed.insert(one.clone(), now);
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
    use crate::incident::fixtures::{self, after};

    fn numbered(number: u64, incident: Incident) -> Incident {
        Incident { id: IncidentId(number), ..incident }
    }

    /// Incidents as a book keeps them, with what each has.
    #[derive(Default)]
    struct Kept {
        relations: Relations,
        all: BTreeMap<IncidentId, (RelatedIncidents, BTreeSet<Shared>)>,
    }

    impl Kept {
        fn note(&mut self, incident: &Incident) -> Vec<(IncidentId, RelationKind)> {
            let (_, known) = self.all.entry(incident.id).or_default();
            self.relations.note(incident, known, after(0))
        }

        /// The same, and links it with those that are found.
        fn link(&mut self, incident: &Incident) {
            for (other, kind) in self.note(incident) {
                let (mut its, known) = self.all.remove(&incident.id).unwrap();
                let others = &mut self.all.get_mut(&other).unwrap().0;
                RelatedIncidents::link((incident.id, &mut its), (other, others), kind);
                self.all.insert(incident.id, (its, known));
            }
        }

        fn forget(&mut self, number: u64) {
            if let Some((_, known)) = self.all.remove(&IncidentId(number)) {
                self.relations.forget(IncidentId(number), &known, after(0));
            }
        }

        /// Of each incident: those that it lists and that are remembered, and how many it counts beside them.
        fn said(&self) -> BTreeMap<IncidentId, (BTreeSet<IncidentId>, u64)> {
            let said = |(id, (related, known)): (&IncidentId, &(RelatedIncidents, BTreeSet<Shared>))| {
                let listed = related.incidents.iter().map(|(other, _)| *other);
                let remembered = listed.filter(|other| self.all.contains_key(other)).collect();
                (*id, (remembered, self.relations.left_out(*id, known, related)))
            };
            self.all.iter().map(said).collect()
        }

        /// The same as it should be, found one by one.
        fn assert_each_other_is_listed_or_counted(&self) {
            let said = self.said();
            for (id, (_, known)) in &self.all {
                let has_common = |other: &&IncidentId| *other != id && !self.all[other].1.is_disjoint(known);
                let others: BTreeSet<_> = self.all.keys().filter(has_common).copied().collect();
                let (listed, left_out) = &said[id];
                assert!(listed.is_subset(&others) && listed.len() <= MAX_RELATED);
                assert!(listed.iter().all(|other| said[other].0.contains(id)), "both ways");
                assert_eq!(listed.len() as u64 + left_out, others.len() as u64, "{id}");
            }
        }
    }

    #[test]
    fn incidents_share_a_host_a_credential_and_a_user_once_each() {
        use RelationKind::{Credential, ExternalHost, User};
        let mut kept = Kept::default();
        let first = numbered(1, fixtures::leak_accepted());
        assert_eq!(kept.note(&first), []);
        assert_eq!(kept.note(&first), [], "nothing of itself");
        let mut second = numbered(2, fixtures::leak_accepted());
        second.external.addresses = vec!["9.9.9.9".parse().unwrap()];
        let found = kept.note(&second);
        let expected = if second.credentials[0].fingerprints.is_empty() {
            vec![(IncidentId(1), User)]
        } else {
            vec![(IncidentId(1), Credential), (IncidentId(1), User)]
        };
        assert_eq!(found, expected);
        let third = numbered(3, fixtures::tls_on_445());
        let mut third = third;
        third.external.addresses = vec!["9.9.9.9".parse().unwrap()];
        assert_eq!(kept.note(&third), [(IncidentId(2), ExternalHost)]);
        assert_eq!(kept.note(&second), [], "what is known is not found again");
    }

    #[test]
    fn two_incidents_have_in_common_what_one_had_while_the_other_was_remembered() {
        use RelationKind::{Credential, ExternalHost, User};
        let stored = |number, incident| fixtures::stored(numbered(number, incident));
        let leak = stored(1, fixtures::leak_accepted());
        let all = BTreeSet::from([ExternalHost, Credential, User]);
        assert_eq!(leak.in_common(&stored(2, fixtures::leak_accepted())), all);
        assert_eq!(leak.in_common(&leak), BTreeSet::new(), "nothing with itself");
        assert_eq!(
            leak.in_common(&stored(2, fixtures::leak_refused())),
            BTreeSet::from([ExternalHost, User])
        );
        assert_eq!(leak.in_common(&stored(2, fixtures::tls_on_445())), BTreeSet::new());
        let mut elsewhere = stored(2, fixtures::tls_on_445());
        elsewhere.shared.insert(Shared::External("8.8.4.4".parse().unwrap()));
        assert_eq!(leak.in_common(&elsewhere), BTreeSet::from([ExternalHost]), "what it had once counts");
        let days = |days: i64| {
            let later =
                |at: Timestamp| after(at.since(fixtures::START).as_millis() as i64 + days * 86_400_000);
            let it = fixtures::leak_accepted();
            stored(2, Incident { first: later(it.first), last: later(it.last), ..it })
        };
        for other in [days(6), days(-6)] {
            assert_eq!(leak.in_common(&other), all);
        }
        for other in [days(8), days(-8)] {
            assert_eq!(leak.in_common(&other), BTreeSet::new());
        }
    }

    #[test]
    fn refused_guess_of_a_stranger_connects_nobody_and_an_accepted_one_does() {
        let mut kept = Kept::default();
        let with = |number: u64, address: &str, incident: Incident| {
            let mut one = numbered(number, incident);
            one.external.addresses = vec![address.parse().unwrap()];
            one.credentials.iter_mut().for_each(|credential| credential.fingerprints.clear());
            one
        };
        kept.note(&with(1, "9.9.9.1", fixtures::guessing_refused()));
        assert_eq!(kept.note(&with(2, "9.9.9.2", fixtures::guessing_refused())), []);
        assert_eq!(kept.note(&with(3, "9.9.9.3", fixtures::guessing_succeeded())), []);
        let found = kept.note(&with(4, "9.9.9.4", fixtures::guessing_succeeded()));
        assert_eq!(found, [(IncidentId(3), RelationKind::User)]);
    }

    #[test]
    fn forgotten_incident_is_found_no_more_and_few_are_tried_for_a_list() {
        let mut kept = Kept::default();
        for number in 0..1_000 {
            let found = kept.note(&numbered(number, fixtures::tls_on_445()));
            assert!(found.len() <= MAX_RELATED);
        }
        (0..1_000).for_each(|number| kept.forget(number));
        let relations = &kept.relations;
        assert!(relations.sharing.is_empty() && relations.numbers.is_empty() && relations.changed.is_empty());
        assert_eq!(kept.note(&numbered(7, fixtures::tls_on_445())), []);
        assert_eq!(kept.relations.by_number.len(), 1_000, "numbers are used again");
    }

    #[test]
    fn full_list_takes_no_link_and_neither_does_the_other_one() {
        let kind = RelationKind::User;
        let (mut full, mut others) = (RelatedIncidents::default(), vec![RelatedIncidents::default(); 100]);
        for (other, number) in others.iter_mut().zip(1..) {
            let is_new =
                RelatedIncidents::link((IncidentId(0), &mut full), (IncidentId(number), other), kind);
            assert_eq!(is_new, number <= MAX_RELATED as u64);
            assert_eq!(other.incidents.len(), usize::from(is_new));
        }
        assert_eq!(full.incidents.len(), MAX_RELATED);
        let again = RelationKind::Credential;
        let is_new =
            RelatedIncidents::link((IncidentId(0), &mut full), (IncidentId(1), &mut others[0]), again);
        assert!(!is_new && full.incidents[0].1.len() == 2 && others[0].incidents[0].1.len() == 2);
    }

    #[test]
    fn two_hundred_incidents_of_one_host_are_listed_or_counted_by_each() {
        let mut kept = Kept::default();
        (0..200).for_each(|number| kept.link(&numbered(number, fixtures::leak_accepted())));
        kept.assert_each_other_is_listed_or_counted();
        let sums = kept.said().into_values().map(|(listed, left_out)| listed.len() as u64 + left_out);
        assert_eq!(sums.collect::<BTreeSet<_>>(), BTreeSet::from([199]), "two things in common count once");
        (0..50).for_each(|number| kept.forget(number));
        kept.assert_each_other_is_listed_or_counted();
        let sums = kept.said().into_values().map(|(listed, left_out)| listed.len() as u64 + left_out);
        assert_eq!(sums.collect::<BTreeSet<_>>(), BTreeSet::from([149]));
    }

    #[test]
    fn counts_of_incidents_with_hosts_and_users_in_common_agree_with_a_search_one_by_one() {
        for seed in 0..20_u64 {
            let mut state = seed;
            let mut random = |below: u64| {
                // Knuth's MMIX generator; its high bits are the good ones.
                state =
                    state.wrapping_mul(6_364_136_223_846_793_005_u64).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % below
            };
            let mut kept = Kept::default();
            for step in 0..600 {
                let earlier = random(step + 1);
                if step > 150 && random(3) == 0 {
                    kept.forget(earlier);
                    continue;
                }
                // A new one, or something new of one that is remembered.
                let is_remembered = kept.all.contains_key(&IncidentId(earlier));
                let number = if is_remembered && random(3) == 0 { earlier } else { step };
                let mut one = numbered(number, fixtures::leak_accepted());
                one.external.addresses = vec![format!("9.9.9.{}", random(4)).parse().unwrap()];
                one.credentials[0].user = Some(format!("user{}", random(6)));
                one.credentials[0].fingerprints = vec![format!("print{}", random(40))].into_iter().collect();
                kept.link(&one);
                if step % 50 == 0 {
                    kept.assert_each_other_is_listed_or_counted();
                }
            }
            kept.assert_each_other_is_listed_or_counted();
        }
    }

    #[test]
    fn counts_are_made_anew_when_no_incident_came_for_a_while_and_a_few_each_time() {
        let mut kept = Kept::default();
        (0..200).for_each(|number| kept.link(&numbered(number, fixtures::tls_on_445())));
        let settled = after(SETTLED.as_millis() as i64);
        assert_eq!(kept.relations.outdated(after(1_000), false), []);
        let mut all = BTreeSet::new();
        for _ in 0..200_usize.div_ceil(AT_ONCE) {
            let some = kept.relations.outdated(settled, false);
            assert!(!some.is_empty() && some.len() <= AT_ONCE);
            all.extend(some);
        }
        assert_eq!(all.len(), 200);
        assert_eq!(kept.relations.outdated(settled, false), [], "once");
        kept.forget(3);
        assert_eq!(kept.relations.outdated(after(1_000), true).len(), 199, "at the end all at once");
    }
}
