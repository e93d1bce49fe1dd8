//! Conversations that spoke SMB and were over before their rule had room for an alert on them.

use super::judged::OpenAlert;
use crate::{
    alert::admission::Admission,
    flow::{Evidence, Flow},
};

/// Conversations of a rule that wait at most, where a window takes as many.
const MOST: u64 = 1_000;

/// What waits, in the order in which it ended.
#[derive(Default)]
pub(super) struct Late {
    waiting: Vec<(Flow, OpenAlert)>,
}

impl Late {
    /// Keeps the hidden alerts on one that is over, if it spoke SMB.
    pub(super) fn keep(&mut self, flow: &Flow, alerts: Vec<OpenAlert>, admission: &Admission) {
        if flow.evidence >= Evidence::Smb {
            for alert in alerts.into_iter().filter(|alert| alert.hidden.is_some()) {
                self.put(flow.clone(), alert, admission);
            }
        }
    }

    /// Keeps one. Of more of a rule than fill a window those that got farthest are kept; the others have been counted, and no more.
    pub(super) fn put(&mut self, flow: Flow, alert: OpenAlert, admission: &Admission) {
        let room = usize::try_from(admission.most().min(MOST)).unwrap_or(usize::MAX);
        let of_rule = self.waiting.iter().enumerate().filter(|(_, (_, waits))| waits.rule == alert.rule);
        let (mut count, mut least) = (0, None::<(usize, Evidence)>);
        for (place, (waits, _)) in of_rule {
            count += 1;
            if least.is_none_or(|(_, evidence)| waits.evidence < evidence) {
                least = Some((place, waits.evidence));
            }
        }
        if count >= room {
            let Some((place, _)) = least.filter(|(_, evidence)| *evidence < flow.evidence) else { return };
            self.waiting.remove(place);
        }
        self.waiting.push((flow, alert));
    }

    /// Everything that waits.
    pub(super) fn take(&mut self) -> Vec<(Flow, OpenAlert)> {
        std::mem::take(&mut self.waiting)
    }
}
