//! Which alerts are written one by one, and how many were not.
//!
//! Stands between the book and the output. In each window of five minutes a rule opens at most so many alerts (100); what goes over
//! that is counted by how far it got, and the counts are one [`Summary`] when the window is over. Flows that only tried never
//! take the place of flows that spoke SMB: those below `smb` share that many, the others have as many to themselves. Beside the
//! counts a summary names the clients that were hidden most.

mod sources;

use std::{collections::HashMap, net::IpAddr};

pub use self::sources::Loudest;
use self::sources::Sources;
use crate::{
    detect::{Rule, Sight, sweep::Sweep},
    flow::Evidence,
};

/// Length of a window, nanoseconds.
const WINDOW: i128 = 300_000_000_000;

/// Who asks for an alert.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The client.
    pub source: IpAddr,
    /// How far it got.
    pub evidence: Evidence,
    /// Records that the ring had lost when it was first seen.
    pub lost_before: u64,
}

impl Asker {
    /// For an alert on a flow.
    #[must_use]
    pub const fn of_flow(sight: &Sight<'_>) -> Self {
        let flow = sight.flow;
        Self { source: sight.client.ip(), evidence: flow.evidence, lost_before: flow.lost_before }
    }

    /// For an alert on a sweep.
    #[must_use]
    pub const fn of_sweep(sweep: &Sweep) -> Self {
        Self { source: sweep.source, evidence: sweep.evidence(), lost_before: sweep.lost_before }
    }
}

/// What became of an alert that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is written.
    Admitted {
        /// The summary of an earlier window counts it all the same.
        counted_before: bool,
    },
    /// It is counted, and may ask again.
    Hidden(Hidden),
}

/// An alert that was not admitted: when, and with which evidence it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    window: u64,
    evidence: Evidence,
    /// An earlier window counts it as well.
    counted_before: bool,
}

impl Hidden {
    /// Whether evidence that rose to this level is reason to ask again.
    #[must_use]
    pub fn may_ask_again(&self, evidence: Evidence) -> bool {
        evidence >= Evidence::Smb && evidence > self.evidence
    }
}

/// What a rule did not tell one by one in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Rule.
    pub rule: &'static Rule,
    /// Number of the window, counted over the run.
    pub window: u64,
    /// Begin and end, nanoseconds since the Unix epoch.
    pub from: i128,
    /// End.
    pub until: i128,
    /// Alerts that were admitted.
    pub admitted: u64,
    /// Alerts that were not, by their evidence when they last asked, in the order of [`Evidence::ALL`].
    pub hidden: [u64; Evidence::ALL.len()],
    /// Those of them that another window counts as well, because they asked again.
    pub repeated: u64,
    /// Who was hidden most.
    pub loudest: Loudest,
    /// Records that the ring had lost when the first of what is hidden was seen.
    pub lost_before: u64,
}

impl Summary {
    /// Alerts that were not admitted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.hidden.iter().sum()
    }
}

#[derive(Debug)]
struct Window {
    number: u64,
    rule: &'static Rule,
    from: i128,
    /// Admitted alerts below `smb`, and the others.
    tried: u64,
    spoke: u64,
    hidden: [u64; Evidence::ALL.len()],
    repeated: u64,
    sources: Sources,
    lost_before: u64,
}

impl Window {
    fn new(number: u64, rule: &'static Rule, from: i128) -> Self {
        Self {
            number,
            rule,
            from,
            tried: 0,
            spoke: 0,
            hidden: [0; Evidence::ALL.len()],
            repeated: 0,
            sources: Sources::default(),
            lost_before: u64::MAX,
        }
    }

    fn is_over(&self, now: i128) -> bool {
        // A clock that was set back must not keep a window open.
        now < self.from || now - self.from >= WINDOW
    }

    fn hide(&mut self, asker: Asker, counted_before: bool) -> Hidden {
        self.hidden[asker.evidence as usize] += 1;
        self.repeated += u64::from(counted_before);
        self.sources.add(asker.source);
        self.lost_before = self.lost_before.min(asker.lost_before);
        Hidden { window: self.number, evidence: asker.evidence, counted_before }
    }

    /// Counts one no longer that this window hid, because it asks again.
    fn take_back(&mut self, asker: Asker, hidden: Hidden) {
        self.hidden[hidden.evidence as usize] -= 1;
        self.repeated -= u64::from(hidden.counted_before);
        self.sources.take_back(asker.source);
    }

    fn summary(self, now: i128) -> Option<Summary> {
        let Self { rule, number: window, from, hidden, repeated, lost_before, .. } = self;
        let until = if now < from { from } else { now.min(from + WINDOW) };
        let admitted = self.tried + self.spoke;
        let loudest = self.sources.loudest();
        let summary = Summary { rule, window, from, until, admitted, hidden, repeated, loudest, lost_before };
        (summary.total() > 0).then_some(summary)
    }
}

/// The windows of all rules.
#[derive(Debug)]
pub struct Admission {
    /// Alerts of a rule that are opened in a window.
    most: u64,
    windows: HashMap<&'static str, Window>,
    /// Summaries of windows that ended because another began.
    ended: Vec<Summary>,
    opened: u64,
    hidden: u64,
}

impl Admission {
    /// No window yet; in each a rule opens `most` alerts.
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self { most, windows: HashMap::new(), ended: vec![], opened: 0, hidden: 0 }
    }

    /// Asks for an alert that is to be opened; `before` is what it was told when it asked last.
    pub fn ask(&mut self, rule: &'static Rule, asker: Asker, before: Option<Hidden>, now: i128) -> Verdict {
        self.end(rule.id, now);
        let window = self.windows.entry(rule.id).or_insert_with(|| {
            self.opened += 1;
            Window::new(self.opened, rule, now)
        });
        let spoke = asker.evidence >= Evidence::Smb;
        let counted_before =
            before.is_some_and(|hidden| hidden.counted_before || hidden.window != window.number);
        if let Some(hidden) = before.filter(|hidden| hidden.window == window.number) {
            window.take_back(asker, hidden);
        }
        if spoke && window.spoke < self.most || !spoke && window.tried + window.spoke < self.most {
            *(if spoke { &mut window.spoke } else { &mut window.tried }) += 1;
            self.hidden -= u64::from(before.is_some());
            return Verdict::Admitted { counted_before };
        }
        self.hidden += u64::from(before.is_none());
        Verdict::Hidden(window.hide(asker, counted_before))
    }

    fn end(&mut self, rule: &str, now: i128) {
        if self.windows.get(rule).is_some_and(|window| window.is_over(now))
            && let Some(window) = self.windows.remove(rule)
        {
            self.ended.extend(window.summary(now));
        }
    }

    /// Summaries of the windows that are over at `now`, in the order in which they began.
    pub fn due(&mut self, now: i128) -> Vec<Summary> {
        let over: Vec<_> =
            self.windows.iter().filter(|(_, window)| window.is_over(now)).map(|(rule, _)| *rule).collect();
        for rule in over {
            self.end(rule, now);
        }
        self.take()
    }

    /// Summaries of all windows as they stand, as at the end of the run.
    pub fn drain(&mut self, now: i128) -> Vec<Summary> {
        let ended = self.windows.drain().filter_map(|(_, window)| window.summary(now));
        self.ended.extend(ended);
        self.take()
    }

    fn take(&mut self) -> Vec<Summary> {
        let mut summaries = std::mem::take(&mut self.ended);
        summaries.sort_by_key(|summary| summary.window);
        summaries
    }

    /// Alerts that were not admitted so far, each once, however often it asked.
    #[must_use]
    pub const fn hidden(&self) -> u64 {
        self.hidden
    }
}

#[cfg(test)]
mod tests;
