//! Adds the results of rules to an incident: findings, techniques, severity.

use std::collections::BTreeSet;

use super::{FindingRecord, Incident, book::Assessment};
use crate::{level::Severity, rules, time::Timestamp};

impl Incident {
    /// Adds findings and techniques. Returns whether one of them is new.
    pub(super) fn add_findings(
        &mut self,
        assessment: &Assessment,
        found: &mut BTreeSet<String>,
        now: Timestamp,
    ) -> bool {
        let mut has_changed = false;
        for finding in &assessment.findings {
            let is_first = found.insert(finding.rule.id.to_owned());
            let techniques = finding.techniques.iter().map(|technique| technique.id.to_owned()).collect();
            match self.findings.get_mut(finding.rule.id) {
                Some(known) => {
                    let worse = (finding.severity, finding.risk_score) > (known.severity, known.risk_score);
                    if worse {
                        known.risen_from.get_or_insert((known.severity, known.risk_score));
                        (known.severity, known.risk_score) = (finding.severity, finding.risk_score);
                    }
                    if worse || finding.risk_score == known.risk_score {
                        known.fact.clone_from(&finding.fact);
                        known.techniques = techniques;
                    }
                    has_changed |= worse;
                    known.last = now;
                    known.connections += u64::from(is_first);
                }
                None => {
                    self.findings.insert(
                        finding.rule.id.to_owned(),
                        FindingRecord {
                            rule: finding.rule.id.to_owned(),
                            risen_from: None,
                            severity: finding.severity,
                            risk_score: finding.risk_score,
                            fact: finding.fact.clone(),
                            techniques,
                            first: now,
                            last: now,
                            connections: 1,
                        },
                    );
                    has_changed = true;
                }
            }
        }
        for (technique, fact) in &assessment.techniques {
            has_changed |= self.techniques.insert((*technique).to_owned(), fact.clone()).is_none();
        }
        let rank = |one: &&FindingRecord| {
            (!rules::fires_on_any_packet(&one.rule), one.severity, one.risk_score, one.rule.clone())
        };
        if let Some(leading) = self.findings.values().max_by_key(rank) {
            self.rule.clone_from(&leading.rule);
        }
        has_changed
    }

    /// Raises severity and risk score; they never fall. Returns whether the severity rose.
    pub(super) fn raise(&mut self, (severity, risk_score): (Severity, u8)) -> bool {
        let rose = severity > self.severity;
        self.severity = self.severity.max(severity);
        self.risk_score = self.risk_score.max(risk_score);
        rose
    }
}
