//! Verdicts on the incidents of a period.

use std::collections::BTreeMap;

use sensor_core::{
    incident::{Incident, message},
    level::Severity,
};
use serde::Serialize;

use super::severities::Severities;
use crate::{
    response::{Verdict, VerdictEntry},
    rfc3339::rfc3339,
};

/// Numbers of incidents by verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Verdicts {
    pub(crate) confirmed: Severities,
    pub(crate) benign: Severities,
    pub(crate) duplicate: Severities,
    /// Incidents without a verdict.
    pub(crate) none: Severities,
    /// The verdicts, the latest first.
    pub(crate) given: Vec<Given>,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Given {
    pub(crate) at: String,
    pub(crate) incident: String,
    pub(crate) severity: Severity,
    /// What happened.
    pub(crate) summary: String,
    pub(crate) verdict: &'static str,
    pub(crate) by: String,
    pub(crate) note: Option<String>,
}

impl Verdicts {
    /// The verdicts on these incidents, by their identifiers.
    pub(super) fn of(incidents: &[Incident], mut verdict_entries: BTreeMap<String, VerdictEntry>) -> Self {
        let mut all = Self::default();
        let mut given = Vec::new();
        for incident in incidents {
            let id = incident.id.to_string();
            let Some(verdict_entry) = verdict_entries.remove(&id) else {
                all.none.add(incident.severity);
                continue;
            };
            all.counted(verdict_entry.verdict).add(incident.severity);
            given.push((verdict_entry.at, Given::of(incident, id, &verdict_entry)));
        }
        given.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        all.given = given.into_iter().map(|(_, one)| one).collect();
        all
    }

    const fn counted(&mut self, verdict: Verdict) -> &mut Severities {
        match verdict {
            Verdict::Confirmed => &mut self.confirmed,
            Verdict::Benign => &mut self.benign,
            Verdict::Duplicate => &mut self.duplicate,
        }
    }

    /// The numbers with their names.
    pub(crate) const fn named(&self) -> [(&'static str, Severities); 4] {
        [
            ("confirmed", self.confirmed),
            ("benign", self.benign),
            ("duplicate", self.duplicate),
            ("no verdict", self.none),
        ]
    }

    /// The numbers of one severity, in the order of [`Self::named`].
    pub(crate) fn of_severity(&self, severity: Severity) -> [u64; 4] {
        self.named().map(|(_, counts)| match severity {
            Severity::Critical => counts.critical,
            Severity::High => counts.high,
            Severity::Medium => counts.medium,
            Severity::Low => counts.low,
        })
    }
}

impl Given {
    fn of(incident: &Incident, id: String, verdict_entry: &VerdictEntry) -> Self {
        Self {
            at: rfc3339(verdict_entry.at),
            incident: id,
            severity: incident.severity,
            summary: message::summary(incident),
            verdict: verdict_entry.verdict.name(),
            by: verdict_entry.by.to_string(),
            note: verdict_entry.note.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::{IncidentId, fixtures};

    use super::*;
    use crate::response::Author;

    #[test]
    fn incidents_count_by_verdict_and_severity() {
        let numbered = |number, it| Incident { id: IncidentId(number), ..it };
        let incidents = [
            numbered(1, fixtures::leak_accepted()),
            numbered(2, fixtures::leak_accepted()),
            numbered(3, fixtures::tls_on_445()),
        ];
        let verdict_entry = |verdict, millis| VerdictEntry {
            verdict,
            note: None,
            by: Author::OnPage("Ada".into()),
            at: fixtures::after(millis),
        };
        let verdict_entries = [
            (incidents[0].id.to_string(), verdict_entry(Verdict::Benign, 1)),
            (incidents[2].id.to_string(), verdict_entry(Verdict::Confirmed, 2)),
            // On an incident of another time.
            ("00000000000000ff".to_owned(), verdict_entry(Verdict::Duplicate, 3)),
        ];
        let all = Verdicts::of(&incidents, verdict_entries.into());
        assert_eq!(all.of_severity(Severity::Critical), [0, 1, 0, 1]);
        assert_eq!(all.of_severity(Severity::Low), [1, 0, 0, 0]);
        let order: Vec<_> = all.given.iter().map(|one| one.verdict).collect();
        assert_eq!(order, ["confirmed", "benign"], "the latest first");
    }
}
