//! Published profiles: one alert for each connection that matches, with the published severity.

use super::Core;
use crate::{
    event::Event,
    incident::{
        Link,
        book::{Assessment, Context},
        quota::Admission,
    },
    level::Severity,
    profile::{ProfileName, Rulebook},
    settings::Settings,
    terms::Term,
    time::Timestamp,
    view::FlowView,
};

impl Core {
    /// What a connection as it stands means to the published profile in force.
    pub(super) fn consider_published(
        &mut self,
        view: &FlowView<'_>,
        link: &mut Link,
        now: Timestamp,
        out: &mut Vec<Event>,
    ) {
        let Some(rulebook) = &self.rulebook else { return };
        let terms = &mut self.terms;
        let findings = if link.found.is_empty() {
            rulebook.findings(view, &mut |term: Term| {
                let is_new = terms.is_new(term, now);
                terms.learn(term, now);
                is_new
            })
        } else {
            vec![]
        };
        if findings.is_empty() && link.incident.is_none() {
            return;
        }
        let context = Context {
            now,
            identity: &self.identity,
            lost_records: self.lost_records,
            learning_until: None,
            sweep_window: self.settings.limits.sweep.window,
        };
        let id = self.book.place_connection(view, link, &context);
        let _ = self.merge(id, view, link, now);
        let worst = findings.iter().map(|finding| (finding.severity, finding.risk_score)).max();
        let severity = worst.unwrap_or((Severity::Low, 0));
        let assessment = Assessment { findings, techniques: vec![], severity };
        let client = (view.client.ip(), &mut link.found);
        let mut written = Vec::new();
        let admission = self.book.assess(id, &assessment, false, client, now, &mut written);
        out.extend(written.into_iter().map(Event::from));
        if admission == Some(Admission::HeldBack) {
            self.book.drop_unannounced(id, link);
            link.held_back = true;
        } else if view.closed {
            out.extend(self.book.close_connection(id, now).map(|event| Event::Incident(Box::new(event))));
        }
    }
}

/// The rules of another profile than the sensor's own.
pub(super) fn rulebook(settings: &Settings) -> Option<Rulebook> {
    (settings.profile != ProfileName::Sensor).then(|| Rulebook::of(settings.profile, &settings.rulebook))
}
