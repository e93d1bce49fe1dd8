//! Conversations that spoke SMB and were over before their rule had room for an alert on them.

use std::collections::VecDeque;

use serde_json::Value;

use super::judged::Judged;
use crate::{
    alert::{Context, admission::Admission},
    config::ServicePorts,
    detect::Sight,
    exempt::{Exemptions, Question},
    flow::{Evidence, Flow},
};

/// What waits, the oldest first.
#[derive(Default)]
pub(super) struct Late {
    waiting: VecDeque<(Flow, Judged)>,
}

impl Late {
    /// Keeps one that is over, if an alert on it is hidden though it spoke SMB. Where as many wait as fill a window, it has been
    /// counted, and no more.
    pub(super) fn keep(&mut self, flow: &Flow, judged: Judged, admission: &Admission) {
        let room = usize::try_from(admission.most()).unwrap_or(usize::MAX);
        if flow.evidence >= Evidence::Smb && judged.is_hidden() && self.waiting.len() < room {
            self.waiting.push_back((flow.clone(), judged));
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
        self.waiting.retain_mut(|(flow, judged)| {
            let Some(sight) = Sight::of(flow, services) else { return false };
            if exemptions.covering(&Question::of(&sight), context.now).is_some() {
                return false;
            }
            *opened += judged.open(&[], &sight, admission, context.now);
            documents.extend(judged.tell_late(&sight, context));
            judged.is_hidden()
        });
        documents
    }
}
