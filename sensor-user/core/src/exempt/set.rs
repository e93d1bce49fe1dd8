//! All exemptions together: which one covers a connection, and their hits.

use std::collections::BTreeMap;

use super::{Exemption, Hit, Question};
use crate::time::Timestamp;

/// The exemptions, expired ones included, with their hits.
#[derive(Clone, Debug, Default)]
pub struct Exemptions {
    all: Vec<Exemption>,
    hits: BTreeMap<String, Hit>,
}

impl Exemptions {
    /// These exemptions, without hits.
    #[must_use]
    pub const fn new(all: Vec<Exemption>) -> Self {
        Self { all, hits: BTreeMap::new() }
    }

    /// Continues the hits from before a restart.
    pub fn restore(&mut self, hits: &BTreeMap<String, Hit>) {
        let known = |id: &str| self.all.iter().any(|exemption| exemption.id == id);
        self.hits = hits.iter().filter(|(id, _)| known(id)).map(|(id, hit)| (id.clone(), *hit)).collect();
    }

    /// Replaces the exemptions. Hits continue under the same names; those of a removed exemption are forgotten.
    pub fn replace(&mut self, all: Vec<Exemption>) {
        self.hits.retain(|id, _| all.iter().any(|exemption| exemption.id == *id));
        self.all = all;
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Exemption] {
        &self.all
    }

    /// The first exemption that has not expired at `now` and covers the connection.
    #[must_use]
    pub fn covering(&self, question: &Question<'_>, now: Timestamp) -> Option<&Exemption> {
        self.all.iter().find(|exemption| exemption.is_in_force(now) && exemption.covers(question))
    }

    /// Counts a connection for the exemption that covers it; returns whether there is one.
    pub fn count(&mut self, question: &Question<'_>, now: Timestamp) -> bool {
        let Some(id) = self.covering(question, now).map(|exemption| exemption.id.clone()) else {
            return false;
        };
        self.hits.entry(id).or_default().connection(now);
        true
    }

    /// Adds packets that the kernel let pass for an exemption.
    pub fn count_packets(&mut self, id: &str, packets: u64, now: Timestamp) {
        if packets > 0 {
            self.hits.entry(id.to_owned()).or_default().packets(packets, now);
        }
    }

    /// The hits of each exemption, by its name.
    #[must_use]
    pub const fn hits(&self) -> &BTreeMap<String, Hit> {
        &self.hits
    }

    /// A line about exemptions that need attention: their number, the expired ones, and the unused ones. `None` without any.
    #[must_use]
    pub fn report(&self, now: Timestamp) -> Option<String> {
        if self.all.is_empty() {
            return None;
        }
        let ids = |which: &dyn Fn(&Exemption) -> bool| {
            self.all.iter().filter(|one| which(one)).map(|one| one.id.as_str()).collect::<Vec<_>>()
        };
        let in_force = ids(&|one| one.is_in_force(now));
        let expired = ids(&|one| !one.is_in_force(now));
        let unused = ids(&|one| one.is_in_force(now) && !self.hits.contains_key(&one.id));
        let mut report = format!("exemptions: {} in force", in_force.len());
        for (what, ids) in [("expired", expired), ("never matched", unused)] {
            if !ids.is_empty() {
                report.push_str(&format!(", {} {what} ({})", ids.len(), listed(&ids)));
            }
        }
        Some(report)
    }
}

/// When the next of them expires.
#[must_use]
pub fn next_expiry(exemptions: &[Exemption], now: Timestamp) -> Option<Timestamp> {
    exemptions.iter().filter_map(|one| one.expires).filter(|expires| *expires > now).min()
}

/// Most names in one line.
const MAX_LISTED: usize = 8;

fn listed(ids: &[&str]) -> String {
    let shown = ids[..ids.len().min(MAX_LISTED)].join(", ");
    if ids.len() > MAX_LISTED { format!("{shown}, and others: see `smb-sensor exempt list`") } else { shown }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::service::Service;

    const MOMENT: Duration = Duration::from_nanos(1);
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_000);

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
    fn expired_exemption_covers_nothing() {
        let all = Exemptions::new(vec![Exemption { expires: Some(NOW), ..by_source("10.1.0.0/16") }]);
        assert!(all.covering(&question(), NOW - MOMENT).is_some());
        assert!(all.covering(&question(), NOW).is_none());
    }

    #[test]
    fn counts_hits_by_name_across_a_reload() {
        let (hit, other) = (by_source("10.1.0.0/16"), by_source("10.2.0.0/16"));
        let mut all = Exemptions::new(vec![other.clone(), hit.clone()]);
        assert!(all.count(&question(), NOW));
        all.count_packets(&hit.id, 7, NOW + 5 * MOMENT);
        all.replace(vec![hit.clone()]);
        assert!(all.count(&question(), NOW + 9 * MOMENT));
        let known = all.hits()[&hit.id];
        assert_eq!((known.connections, known.packets, known.last), (2, 7, NOW + 9 * MOMENT));
        all.replace(vec![other]);
        assert!(all.hits().is_empty());
        assert!(!all.count(&question(), NOW));
    }

    #[test]
    fn lists_expired_and_unused_exemptions_by_name() {
        let (used, unused) = (by_source("10.1.0.0/16"), by_source("10.2.0.0/16"));
        let over = Exemption { expires: Some(NOW), ..by_source("10.3.0.0/16") };
        let mut all = Exemptions::new(vec![used.clone(), unused.clone(), over.clone()]);
        all.count(&question(), NOW);
        let report = all.report(NOW).unwrap();
        assert!(report.contains("2 in force"), "{report}");
        assert!(report.contains(&format!("1 expired ({})", over.id)), "{report}");
        assert!(report.contains(&format!("1 never matched ({})", unused.id)), "{report}");
        assert_eq!(Exemptions::default().report(NOW), None);
    }
}
