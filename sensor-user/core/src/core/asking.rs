//! Decides whether the server of a connection is a new destination, and asks other sensors about it.
//!
//! A destination that is new here may be known elsewhere. Only the finding about the destination waits for the answer; the other
//! findings on its connection do not. If no answer comes in time, or if too many connections wait, this sensor decides alone. A
//! destination becomes known here only with the decision. After a crash this sensor asks about it again, and the shared terms
//! still show that this sensor was the first.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::{Core, RARE_DESTINATION, destination};
use crate::{
    address::{Direction, FiveTuple},
    event::{Event, FlowSummary},
    incident::Link,
    level::EvidenceLevel,
    profile::ProfileName,
    service::Service,
    terms::{TermAnswer, TermRequest},
    time::Timestamp,
    view::FlowView,
};

/// Time for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// Most connections that wait for an answer.
const MAX_WAITING: usize = 256;

/// Destinations that others are being asked about.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pending: BTreeMap<IpAddr, Pending>,
    waiting: usize,
    /// Destinations that this sensor decided alone.
    pub(super) alone: u64,
}

/// One of them.
#[derive(Debug)]
struct Pending {
    since: Timestamp,
    /// A connection with it was completed.
    claims: bool,
    /// The connections to which it was new, as they were then.
    waiting: Vec<(FlowSummary, Link)>,
}

impl Asked {
    /// Notes that a connection with the address was completed. Gives whether others are being asked about it.
    pub(super) fn claim(&mut self, address: IpAddr) -> bool {
        let pending = self.pending.get_mut(&address);
        pending.map(|pending| pending.claims = true).is_some()
    }
}

/// Whether the rule is about such a connection.
fn is_concerned(view: &FlowView<'_>) -> bool {
    view.direction == Direction::Outbound && view.service == Service::Smb
}

/// Whether the connection makes its server known.
pub(super) fn makes_known(view: &FlowView<'_>) -> bool {
    is_concerned(view) && view.level >= EvidenceLevel::Connected
}

impl Core {
    /// Decides whether the server of a connection is a new destination, or asks.
    pub(super) fn judge_destination(
        &mut self,
        view: &FlowView<'_>,
        link: &mut Link,
        now: Timestamp,
        out: &mut Vec<Event>,
    ) {
        let learns = self.terms.learning_until(now).is_some();
        if link.new_destination
            || link.known_elsewhere
            || learns
            || !self.terms.is_new(destination(view), now)
        {
            return;
        }
        // Kept with the connection: it makes its own server known, and is held back or moves to another incident afterwards.
        link.new_destination =
            !is_concerned(view) || !self.settings.shared_terms || !self.ask(view, link, now, out);
    }

    /// Has the connection wait for an answer about its server. Gives whether that is possible.
    fn ask(&mut self, view: &FlowView<'_>, link: &Link, now: Timestamp, out: &mut Vec<Event>) -> bool {
        let (address, claims) = (view.server.ip(), makes_known(view));
        if self.asked.waiting >= MAX_WAITING && !self.asked.pending.contains_key(&address) {
            self.asked.alone += 1;
            return false;
        }
        let waits = || (FlowSummary::of(view, None, None), link.clone());
        match self.asked.pending.get_mut(&address) {
            None => {
                out.push(Event::Term(if claims {
                    TermRequest::Claim(address)
                } else {
                    TermRequest::Look(address)
                }));
                let pending = Pending { since: now, claims, waiting: vec![waits()] };
                self.asked.pending.insert(address, pending);
                self.asked.waiting += 1;
            }
            // To later connections it is as known as the completed one made it.
            Some(pending) if pending.claims || pending.waits(view) => {}
            Some(_) if self.asked.waiting >= MAX_WAITING => {
                self.asked.alone += 1;
                return false;
            }
            Some(pending) => {
                pending.claims |= claims;
                pending.waiting.push(waits());
                self.asked.waiting += 1;
            }
        }
        true
    }

    /// Takes an answer.
    pub(super) fn take_answer(&mut self, answer: TermAnswer, now: Timestamp, out: &mut Vec<Event>) {
        match answer {
            TermAnswer::New(address) => self.decide(address, true, now, out),
            TermAnswer::Known(address) => self.decide(address, false, now, out),
            TermAnswer::Kept(address) => self.terms.confirm(address, now),
            TermAnswer::Unanswered(address) => self.decide_alone(address, now, out),
        }
    }

    /// Decides what had no answer in time, and tells others what is known here.
    pub(super) fn tend_shared_terms(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        let is_shared = self.settings.shared_terms && self.settings.profile == ProfileName::Sensor;
        self.terms.share(is_shared.then_some(RARE_DESTINATION), now);
        let late = self.asked.pending.iter().filter(|(_, one)| now.distance(one.since) >= ANSWERED_WITHIN);
        let late: Vec<IpAddr> = late.map(|(address, _)| *address).collect();
        late.into_iter().for_each(|address| self.decide_alone(address, now, out));
        let due = self.terms.take_due(now);
        out.extend(due.into_iter().map(|address| Event::Term(TermRequest::Keep(address))));
    }

    /// Decides everything that waits: nobody will answer any more.
    pub(super) fn decide_all_alone(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        let all: Vec<IpAddr> = self.asked.pending.keys().copied().collect();
        all.into_iter().for_each(|address| self.decide_alone(address, now, out));
    }

    fn decide_alone(&mut self, address: IpAddr, now: Timestamp, out: &mut Vec<Event>) {
        self.asked.alone += u64::from(self.asked.pending.contains_key(&address));
        self.decide(address, true, now, out);
    }

    fn decide(&mut self, address: IpAddr, is_new: bool, now: Timestamp, out: &mut Vec<Event>) {
        let Some(pending) = self.asked.pending.remove(&address) else { return };
        self.asked.waiting -= pending.waiting.len();
        for (then, mut link) in pending.waiting {
            let judge = |link: &mut Link| {
                link.new_destination |= is_new;
                link.known_elsewhere |= !is_new;
            };
            let (tuple, first) = (then.view().tuple, then.view().first);
            let mut again: Option<Option<FiveTuple>> = None;
            self.with_entry(&tuple, |core, view, link| {
                // A later connection between the same ports is another one.
                if view.first == first {
                    judge(link);
                    again = Some(core.consider(view, link, now, out));
                }
            });
            if again.is_none() && is_new {
                // The table has lost it. What it was is enough.
                judge(&mut link);
                again = Some(self.consider(&then.view(), &mut link, now, out));
            }
            self.again(again.flatten(), now, out);
        }
    }
}

impl Pending {
    fn waits(&self, view: &FlowView<'_>) -> bool {
        self.waiting.iter().any(|(then, _)| then.view().tuple == view.tuple)
    }
}

#[cfg(test)]
mod tests;
