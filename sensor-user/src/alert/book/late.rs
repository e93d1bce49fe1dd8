//! Conversations that spoke SMB and were over before their rule had room for an alert on them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::judged::OpenAlert;
use crate::{
    alert::{
        Context,
        admission::{Admission, Asker},
        document::document,
    },
    config::ServicePorts,
    detect::Sight,
    exempt::{Exemptions, Question},
    flow::{Evidence, Flow},
};

/// Conversations of a rule that wait at most, where a window takes as many.
const MOST: u64 = 1_000;

/// What waits, by rule, the oldest first.
#[derive(Default)]
pub(super) struct Late {
    waiting: BTreeMap<&'static str, Vec<(Flow, OpenAlert)>>,
}

impl Late {
    /// Keeps the hidden alerts on one that is over, if it spoke SMB. Of more than fill a window those that got farthest are kept; the
    /// others have been counted, and no more.
    pub(super) fn keep(&mut self, flow: &Flow, alerts: Vec<OpenAlert>, admission: &Admission) {
        if flow.evidence < Evidence::Smb {
            return;
        }
        let room = usize::try_from(admission.most().min(MOST)).unwrap_or(usize::MAX);
        for alert in alerts.into_iter().filter(|alert| alert.hidden.is_some()) {
            let waiting = self.waiting.entry(alert.rule.id).or_default();
            if waiting.len() >= room {
                let least = waiting.iter().enumerate().min_by_key(|(_, (waits, _))| waits.evidence);
                let Some((place, _)) = least.filter(|(_, (waits, _))| waits.evidence < flow.evidence) else {
                    continue;
                };
                waiting.remove(place);
            }
            waiting.push((flow.clone(), alert));
        }
    }

    /// Documents that open and close the alerts for which there is room now; adds their number to `opened`. What was exempted
    /// meanwhile waits no longer.
    pub(super) fn tell(
        &mut self,
        services: &ServicePorts,
        exemptions: &Exemptions,
        admission: &mut Admission,
        opened: &mut u64,
        context: &Context<'_>,
    ) -> Vec<Value> {
        let mut documents = Vec::new();
        for (flow, alert) in self.waiting.values_mut().flatten() {
            let Some(sight) = Sight::of(flow, services) else { continue };
            if exemptions.covering(&Question::of(&sight), context.now).is_some() {
                alert.hidden = None;
            } else if alert.ask_again(Asker::of_flow(&sight), admission, context.now).is_some() {
                *opened += 1;
                let rule = alert.rule;
                documents.extend(
                    alert.tell_last(|id, sequence, status| {
                        document(rule, id, sequence, status, &sight, context)
                    }),
                );
            }
        }
        self.waiting.values_mut().for_each(|waiting| waiting.retain(|(_, alert)| alert.hidden.is_some()));
        documents
    }
}
