//! All exemptions together: which one covers a conversation, and what each has covered.

use std::collections::BTreeMap;

use super::{Exemption, Hit, Question};

/// The exemptions in force and expired, with their hits.
#[derive(Clone, Debug, Default)]
pub struct Exemptions {
    all: Vec<Exemption>,
    hits: BTreeMap<String, Hit>,
}

impl Exemptions {
    /// These, none of which covered anything yet.
    #[must_use]
    pub const fn new(all: Vec<Exemption>) -> Self {
        Self { all, hits: BTreeMap::new() }
    }

    /// Goes on from what was counted before a restart.
    pub fn restore(&mut self, hits: &BTreeMap<String, Hit>) {
        let known = |id: &str| self.all.iter().any(|exemption| exemption.id == id);
        self.hits = hits.iter().filter(|(id, _)| known(id)).map(|(id, hit)| (id.clone(), *hit)).collect();
    }

    /// Judges by these from now on. Counts go on under the same names; those of an exemption that is gone are forgotten.
    pub fn replace(&mut self, all: Vec<Exemption>) {
        self.hits.retain(|id, _| all.iter().any(|exemption| exemption.id == *id));
        self.all = all;
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Exemption] {
        &self.all
    }

    /// The first in force at `now` that covers a conversation.
    #[must_use]
    pub fn covering(&self, question: &Question<'_>, now: i128) -> Option<&Exemption> {
        self.all.iter().find(|exemption| exemption.is_in_force(now) && exemption.covers(question))
    }

    /// Counts a conversation for the exemption that covers it; tells whether one does.
    pub fn count(&mut self, question: &Question<'_>, now: i128) -> bool {
        let Some(id) = self.covering(question, now).map(|exemption| exemption.id.clone()) else {
            return false;
        };
        self.hits.entry(id).or_default().conversation(now);
        true
    }

    /// Adds packets that the kernel let be for an exemption.
    pub fn count_packets(&mut self, id: &str, packets: u64, now: i128) {
        if packets > 0 {
            self.hits.entry(id.to_owned()).or_default().packets(packets, now);
        }
    }

    /// What each has covered, by its name.
    #[must_use]
    pub const fn hits(&self) -> &BTreeMap<String, Hit> {
        &self.hits
    }

    /// What is to be looked after: how many there are, which are over, and which never covered anything. `None` without any.
    #[must_use]
    pub fn report(&self, now: i128) -> Option<String> {
        if self.all.is_empty() {
            return None;
        }
        let ids = |which: &dyn Fn(&Exemption) -> bool| {
            self.all.iter().filter(|one| which(one)).map(|one| one.id.as_str()).collect::<Vec<_>>()
        };
        let in_force = ids(&|one| one.is_in_force(now));
        let expired = ids(&|one| !one.is_in_force(now));
        let unused = ids(&|one| one.is_in_force(now) && !self.hits.contains_key(&one.id));
        let mut told = format!("exemptions: {} in force", in_force.len());
        for (what, ids) in [("expired", expired), ("never matched", unused)] {
            if !ids.is_empty() {
                told.push_str(&format!(", {} {what} ({})", ids.len(), listed(&ids)));
            }
        }
        Some(told)
    }
}

/// When the next of them is over, nanoseconds since the Unix epoch.
#[must_use]
pub fn next_expiry(exemptions: &[Exemption], now: i128) -> Option<i128> {
    exemptions.iter().filter_map(|one| one.expires).filter(|expires| *expires > now).min()
}

/// Names told at most in one line.
const MOST_TOLD: usize = 8;

fn listed(ids: &[&str]) -> String {
    let shown = ids[..ids.len().min(MOST_TOLD)].join(", ");
    if ids.len() > MOST_TOLD { format!("{shown}, and others: see `smb-sensor exempt list`") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Service;

    const NOW: i128 = 1_000_000_000_000;

    fn question() -> Question<'static> {
        Question {
            client: "10.1.2.3".parse().unwrap(),
            server: "8.8.4.4".parse().unwrap(),
            service: Service::Smb,
            port: 445,
            process: [None, None],
        }
    }

    fn by_source(net: &str) -> Exemption {
        Exemption::between(Some(net.parse().unwrap()), None, "test")
    }

    #[test]
    fn an_expired_exemption_covers_nothing_from_that_moment_on() {
        let all = Exemptions::new(vec![Exemption { expires: Some(NOW), ..by_source("10.1.0.0/16") }]);
        assert!(all.covering(&question(), NOW - 1).is_some());
        assert!(all.covering(&question(), NOW).is_none());
    }

    #[test]
    fn hits_are_counted_by_name_and_outlive_a_reload() {
        let (hit, other) = (by_source("10.1.0.0/16"), by_source("10.2.0.0/16"));
        let mut all = Exemptions::new(vec![other.clone(), hit.clone()]);
        assert!(all.count(&question(), NOW));
        all.count_packets(&hit.id, 7, NOW + 5);
        all.replace(vec![hit.clone()]);
        assert!(all.count(&question(), NOW + 9));
        let known = all.hits()[&hit.id];
        assert_eq!((known.conversations, known.packets, known.last), (2, 7, NOW + 9));
        all.replace(vec![other]);
        assert!(all.hits().is_empty());
        assert!(!all.count(&question(), NOW));
    }

    #[test]
    fn what_expired_or_never_matched_is_told_by_name() {
        let (used, unused) = (by_source("10.1.0.0/16"), by_source("10.2.0.0/16"));
        let over = Exemption { expires: Some(NOW), ..by_source("10.3.0.0/16") };
        let mut all = Exemptions::new(vec![used.clone(), unused.clone(), over.clone()]);
        all.count(&question(), NOW);
        let told = all.report(NOW).unwrap();
        assert!(told.contains("2 in force"), "{told}");
        assert!(told.contains(&format!("1 expired ({})", over.id)), "{told}");
        assert!(told.contains(&format!("1 never matched ({})", unused.id)), "{told}");
        assert_eq!(Exemptions::default().report(NOW), None);
    }
}
