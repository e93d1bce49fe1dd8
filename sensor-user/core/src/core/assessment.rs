//! Applies the rules to a connection and its incident: gives findings, techniques and severity.

use super::Core;
use crate::{
    address::Direction,
    incident::{Credential, IncidentId, LogonOutcome, Scope, book::Assessment},
    level::Severity,
    rules::{self, History, Logons, Relayed},
    time::Timestamp,
    view::FlowView,
};

impl Core {
    /// What a connection and its incident are worth together; returns whether a rule found anything.
    pub(super) fn assess(
        &self,
        id: IncidentId,
        view: &FlowView<'_>,
        relayed: Option<Relayed>,
        new_destination: bool,
        now: Timestamp,
    ) -> (Assessment, bool) {
        let nothing = Assessment { findings: vec![], techniques: vec![], severity: (Severity::Low, 0) };
        let Some(incident) = self.book.incident(id) else { return (nothing, false) };
        let logons = Logons {
            refused: incident.refused_accounts.clone(),
            refused_total: incident.counted.logons_refused,
            accepted: incident
                .credentials
                .iter()
                .filter(|one| one.outcome == Some(LogonOutcome::Accepted))
                .filter_map(Credential::account)
                .collect(),
        };
        let history = History {
            limits: &self.settings.limits,
            now,
            new_destination,
            logons: &logons,
            excess_volume: incident.excess_volume,
            relayed,
        };
        let mut findings = rules::evaluate(view, &history);
        if let Some(targets) = incident.targets.filter(|_| incident.scope == Scope::Client) {
            let others =
                if view.direction == Direction::Outbound { &incident.external } else { &incident.internal };
            let limits = &self.settings.limits;
            findings.extend(rules::sweep::finding(view.direction, &targets, others.at_least, limits));
        }
        let techniques = rules::techniques_shown(view, &findings)
            .into_iter()
            .map(|(technique, fact)| (technique.id, fact))
            .collect();
        let role = incident.internal.role();
        let severity = rules::severity_by_role(role, rules::Observed::of(view), &findings);
        let found = !findings.is_empty() || !incident.findings.is_empty();
        (Assessment { findings, techniques, severity }, found)
    }
}
