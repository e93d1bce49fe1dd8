//! Tests of relations.

use std::collections::BTreeMap;

use super::*;
use crate::incident::fixtures::{self, after};

fn numbered(number: u64, incident: Incident) -> Incident {
    Incident { id: IncidentId(number), ..incident }
}

/// Incidents as a book keeps them, with what each has.
struct Kept {
    /// When incidents come and go.
    at: Timestamp,
    relations: Relations,
    all: BTreeMap<IncidentId, (RelatedIncidents, BTreeSet<Shared>)>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { at: after(0), relations: Relations::default(), all: BTreeMap::new() }
    }
}

impl Kept {
    fn note(&mut self, incident: &Incident) -> Vec<(IncidentId, RelationKind)> {
        let (_, known) = self.all.entry(incident.id).or_default();
        self.relations.note(incident, known, self.at)
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
            self.relations.forget(IncidentId(number), &known, self.at);
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
    assert_eq!(leak.in_common(&stored(2, fixtures::leak_refused())), BTreeSet::from([ExternalHost, User]));
    assert_eq!(leak.in_common(&stored(2, fixtures::tls_on_445())), BTreeSet::new());
    let mut elsewhere = stored(2, fixtures::tls_on_445());
    elsewhere.shared.insert(Shared::External("8.8.4.4".parse().unwrap()));
    assert_eq!(leak.in_common(&elsewhere), BTreeSet::from([ExternalHost]), "what it had once counts");
    let days = |days: i64| {
        let later = |at: Timestamp| after(at.since(fixtures::START).as_millis() as i64 + days * 86_400_000);
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
        let is_new = RelatedIncidents::link((IncidentId(0), &mut full), (IncidentId(number), other), kind);
        assert_eq!(is_new, number <= MAX_RELATED as u64);
        assert_eq!(other.incidents.len(), usize::from(is_new));
    }
    assert_eq!(full.incidents.len(), MAX_RELATED);
    let again = RelationKind::Credential;
    let is_new = RelatedIncidents::link((IncidentId(0), &mut full), (IncidentId(1), &mut others[0]), again);
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
            state = state.wrapping_mul(6_364_136_223_846_793_005_u64).wrapping_add(1_442_695_040_888_963_407);
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
    assert_eq!(kept.relations.outdated(after(1_000)), []);
    let mut all = BTreeSet::new();
    for _ in 0..200_usize.div_ceil(AT_ONCE) {
        let some = kept.relations.outdated(settled);
        assert!(!some.is_empty() && some.len() <= AT_ONCE);
        all.extend(some);
    }
    assert_eq!(all.len(), 200);
    assert_eq!(kept.relations.outdated(settled), [], "once");
    kept.forget(3);
    assert_eq!(kept.relations.all_outdated().len(), 199, "at the end all at once");
}

#[test]
fn counts_are_made_anew_within_an_hour_where_incidents_never_stop() {
    let mut kept = Kept::default();
    let mut made = Vec::new();
    for number in 0..62 {
        let now = after(number * 60_000);
        kept.at = now;
        kept.link(&numbered(number.cast_unsigned(), fixtures::tls_on_445()));
        if !kept.relations.outdated(now).is_empty() {
            made.push(number);
        }
    }
    assert_eq!(made, [60]);
}
