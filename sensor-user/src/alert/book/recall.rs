//! Whom a book comes back to by itself: who waits for room, and of whom something is owed.

use std::{cmp::Reverse, mem};

use serde_json::Value;

use super::{AlertBook, judged::OpenAlert};
use crate::{
    alert::{
        Context,
        admission::{Asker, Hidden},
        document::document,
    },
    detect::Sight,
    flow::{Conversation, Evidence, Flow},
    terms::KnownTerms,
};

/// Somebody whose alert is hidden though they spoke SMB.
enum Waiter {
    /// A conversation that is open.
    Open(Conversation),
    /// An alert on one that is over.
    Ended(Box<(Flow, OpenAlert)>),
}

impl AlertBook {
    /// Comes back, at this time, to conversations of which there is something to tell. First to those that spoke SMB while their rule had
    /// no room, if there may be room since: whoever waits longest, and of those whoever got farthest. Then to those with news that
    /// came too soon after what was told before. `open` gives the flow of a conversation that is open. Gives the documents, with the
    /// conversation that they are of while that is open.
    pub fn recall(
        &mut self,
        open: impl Fn(&Conversation) -> Option<Flow>,
        terms: &mut impl KnownTerms,
        context: &Context<'_>,
    ) -> Vec<(Option<Conversation>, Vec<Value>)> {
        let mut told = Vec::new();
        for waiter in self.waiters() {
            match waiter {
                Waiter::Open(ends) => {
                    if let Some(flow) = open(&ends) {
                        told.push((Some(ends), self.look(&flow, terms, context)));
                    }
                }
                Waiter::Ended(ended) => {
                    let (flow, alert) = *ended;
                    told.push((None, self.tell_late(flow, alert, context)));
                }
            }
        }
        for flow in self.owed(context.now).iter().filter_map(open) {
            told.push((Some(flow.ends), self.look(&flow, terms, context)));
        }
        told
    }

    /// The same at the end of the run, when none is open.
    pub(super) fn tell_last_waiters(&mut self, context: &Context<'_>) -> Vec<Value> {
        self.recalls = true;
        let ended = self.waiters().filter_map(|waiter| match waiter {
            Waiter::Open(_) => None,
            Waiter::Ended(ended) => Some(*ended),
        });
        ended.flat_map(|(flow, alert)| self.tell_late(flow, alert, context)).collect()
    }

    /// Who waits for room, in the order in which they are to be told; nobody while no window has ended.
    fn waiters(&mut self) -> impl Iterator<Item = Waiter> + use<> {
        let mut waiters: Vec<((u64, Reverse<Evidence>), Waiter)> = Vec::new();
        if mem::take(&mut self.recalls) {
            let open = self.flows.iter().filter_map(|(ends, judged)| {
                Some((judged.waits_since(&self.admission)?, Reverse(judged.told.evidence()), *ends))
            });
            let mut open: Vec<_> = open.collect();
            open.sort_unstable();
            waiters.extend(open.into_iter().map(|(since, far, ends)| ((since, far), Waiter::Open(ends))));
            waiters.extend(self.late.take().into_iter().map(|(flow, alert)| {
                let since = alert.hidden.map_or(0, Hidden::window);
                ((since, Reverse(flow.evidence)), Waiter::Ended(Box::new((flow, alert))))
            }));
            waiters.sort_by_key(|(order, _)| *order);
        }
        waiters.into_iter().map(|(_, waiter)| waiter)
    }

    /// Conversations with news that have rested.
    fn owed(&mut self, now: i128) -> Vec<Conversation> {
        let flows = &self.flows;
        let is_due = |ends: &Conversation| flows.get(ends).is_none_or(|judged| judged.told.has_rested(now));
        let due = self.owed.iter().filter(|ends| is_due(ends)).copied().collect();
        self.owed.retain(|ends| !is_due(ends));
        due
    }

    /// Documents that open and close an alert on a conversation that is over, if there is room now; if not, it waits on. What was
    /// exempted meanwhile waits no longer.
    fn tell_late(&mut self, flow: Flow, mut alert: OpenAlert, context: &Context<'_>) -> Vec<Value> {
        let Some(sight) = Sight::of(&flow, &self.services).filter(|sight| !self.covers(sight, context.now))
        else {
            return vec![];
        };
        if alert.ask_again(Asker::of_flow(&sight), &mut self.admission, context.now).is_none() {
            self.late.put(flow, alert, &self.admission);
            return vec![];
        }
        self.opened += 1;
        let rule = alert.rule;
        alert.tell_last(|id, sequence, status| document(rule, id, sequence, status, &sight, context))
    }
}
