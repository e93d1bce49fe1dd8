//! A flow that was judged, and the alerts on it.

use serde_json::{Value, json};

use super::news::Told;
use crate::{
    alert::{
        Context, Status,
        admission::{Admission, Asker, Hidden, Verdict},
        conversation::community_id,
        document::document,
    },
    detect::{Finding, Rule, Sight, sweep::Folded},
};

/// A flow that was judged, and what came of it.
pub(super) struct Judged {
    pub(super) alerts: Vec<OpenAlert>,
    /// The sweep that speaks for it in place of alerts.
    pub(super) folded: Option<Folded>,
    pub(super) told: Told,
}

impl Judged {
    pub(super) const fn new(told: Told) -> Self {
        Self { alerts: vec![], folded: None, told }
    }

    /// Opens an alert for each finding that has none; gives how many were admitted.
    pub(super) fn open(
        &mut self,
        findings: &[Finding],
        sight: &Sight<'_>,
        admission: &mut Admission,
        now: i128,
    ) -> u64 {
        let asker = Asker::of_flow(sight);
        let hidden_before = self.alerts.iter_mut().filter_map(|alert| alert.ask_again(asker, admission, now));
        let mut admitted = hidden_before.count() as u64;
        for finding in findings {
            if self.alerts.iter().all(|alert| alert.rule != finding.rule) {
                let alert = OpenAlert::ask(finding.rule, id(finding.rule, sight), asker, admission, now);
                admitted += u64::from(alert.hidden.is_none());
                self.alerts.push(alert);
            }
        }
        admitted
    }

    /// Documents of the alerts as they stand; one of which nothing was told yet is opened. Where nothing is new, of those alone.
    pub(super) fn tell(
        &mut self,
        sight: &Sight<'_>,
        is_news: bool,
        status: Status,
        context: &Context<'_>,
    ) -> Vec<Value> {
        let wanted = self.alerts.iter_mut().filter(|alert| is_news || alert.sequence == 0);
        let told = wanted.filter_map(|alert| {
            let rule = alert.rule;
            alert.tell(status, |id, sequence, status| document(rule, id, sequence, status, sight, context))
        });
        told.collect()
    }

    /// The oldest window that hid an alert on it for which there is room now.
    pub(super) fn waits_since(&self, admission: &Admission) -> Option<u64> {
        let hidden = self.alerts.iter().filter_map(|alert| Some((alert.rule, alert.hidden?)));
        let room =
            hidden.filter(|(rule, hidden)| admission.may_ask_again(rule, *hidden, self.told.evidence()));
        room.map(|(_, hidden)| hidden.window()).min()
    }
}

/// An alert that asked to be opened.
pub(super) struct OpenAlert {
    pub(super) rule: &'static Rule,
    id: String,
    sequence: u64,
    /// Why nothing is written of it.
    pub(super) hidden: Option<Hidden>,
    /// A summary counts it among those that are not written.
    counted_before: bool,
}

impl OpenAlert {
    pub(super) fn ask(
        rule: &'static Rule,
        id: String,
        asker: Asker,
        admission: &mut Admission,
        now: i128,
    ) -> Self {
        let mut alert = Self { rule, id, sequence: 0, hidden: None, counted_before: false };
        alert.heeds(admission.ask(rule, asker, None, now));
        alert
    }

    /// Asks again for one that is hidden, if the evidence is reason to; `Some` when it was admitted.
    pub(super) fn ask_again(&mut self, asker: Asker, admission: &mut Admission, now: i128) -> Option<()> {
        let may = |hidden: &Hidden| admission.may_ask_again(self.rule, *hidden, asker.evidence);
        let hidden = self.hidden.filter(may)?;
        self.heeds(admission.ask(self.rule, asker, Some(hidden), now));
        self.counted_before = self.hidden.is_none();
        self.counted_before.then_some(())
    }

    /// Its last documents: one that closes it, and before that one that opens it, if nothing was told of it.
    pub(super) fn tell_last(&mut self, mut document: impl FnMut(&str, u64, Status) -> Value) -> Vec<Value> {
        let opens = (self.sequence == 0).then_some(Status::Opened);
        let told = opens.into_iter().chain([Status::Closed]);
        told.filter_map(|status| self.tell(status, &mut document)).collect()
    }

    const fn heeds(&mut self, verdict: Verdict) {
        self.hidden = match verdict {
            Verdict::Admitted => None,
            Verdict::Hidden(hidden) => Some(hidden),
        };
    }

    /// Its next document, built from its id, number and status; nothing while it is hidden.
    pub(super) fn tell(
        &mut self,
        status: Status,
        document: impl FnOnce(&str, u64, Status) -> Value,
    ) -> Option<Value> {
        if self.hidden.is_some() {
            return None;
        }
        let sequence = self.sequence;
        self.sequence += 1;
        let status = if sequence == 0 { Status::Opened } else { status };
        let mut told = document(&self.id, sequence, status);
        if self.counted_before {
            told["smb_sensor"]["alert"]["counted_before"] = json!(true);
        }
        Some(told)
    }
}

/// The id says rule, conversation and start, so that it is the same however often the flow is read.
fn id(rule: &Rule, sight: &Sight<'_>) -> String {
    format!("{}/{}/{}", rule.id, community_id(sight), sight.flow.first / 1_000_000)
}
