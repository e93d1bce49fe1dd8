//! Which alerts are written one by one, and how many were not.
//!
//! Stands between the book and the output. In each window of five minutes a rule opens at most so many alerts (100); what goes over
//! that is counted by how far it got, and the counts are one [`Summary`] when the window is over. What is hidden though it spoke SMB
//! may be told in a later window that has room, so that noise delays it and does not hide it. Beside the counts a summary names the
//! clients that were hidden most.

mod sources;

use std::{collections::HashMap, mem, net::IpAddr};

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
    Admitted,
    /// It is counted, and may ask again.
    Hidden(Hidden),
}

/// An alert that was not admitted: when, and with which evidence it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    window: u64,
    evidence: Evidence,
}

impl Hidden {
    /// Number of the window that counts it.
    pub(in crate::alert) const fn window(self) -> u64 {
        self.window
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
    /// When it was asked last.
    last: i128,
    admitted: u64,
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
            last: from,
            admitted: 0,
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

    /// Counts one that is not admitted, with what it was told when it asked last. No window has room again that was full once: one
    /// that it hid before got farther, no more.
    fn hide(&mut self, asker: Asker, before: Option<Hidden>) -> Hidden {
        self.hidden[asker.evidence as usize] += 1;
        match before {
            Some(hidden) if hidden.window == self.number => self.hidden[hidden.evidence as usize] -= 1,
            _ => {
                self.repeated += u64::from(before.is_some());
                self.sources.add(asker.source);
                self.lost_before = self.lost_before.min(asker.lost_before);
            }
        }
        Hidden { window: self.number, evidence: asker.evidence }
    }

    fn summary(&self, now: i128) -> Option<Summary> {
        let &Self { rule, number: window, from, admitted, hidden, repeated, lost_before, .. } = self;
        let until = if now < from { from } else { now.min(self.last.max(from + WINDOW)) };
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
    opened: u64,
    hidden: u64,
    /// What is hidden is not what it was when [`standing`](Self::standing) was told last.
    changed: bool,
}

impl Admission {
    /// No window yet; in each a rule opens `most` alerts.
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self { most, windows: HashMap::new(), opened: 0, hidden: 0, changed: false }
    }

    /// Asks for an alert that is to be opened; `before` is what it was told when it asked last. A window goes on until it is
    /// [due](Self::due), so that who waits for the next has it first.
    pub fn ask(&mut self, rule: &'static Rule, asker: Asker, before: Option<Hidden>, now: i128) -> Verdict {
        let window = self.windows.entry(rule.id).or_insert_with(|| {
            self.opened += 1;
            Window::new(self.opened, rule, now)
        });
        window.last = now;
        if window.admitted < self.most {
            window.admitted += 1;
            self.hidden -= u64::from(before.is_some());
            return Verdict::Admitted;
        }
        self.hidden += u64::from(before.is_none());
        self.changed = true;
        Verdict::Hidden(window.hide(asker, before))
    }

    /// Whether one that is hidden has reason to ask again: it spoke SMB, and got farther since, or a later window has room.
    #[must_use]
    pub fn may_ask_again(&self, rule: &Rule, hidden: Hidden, evidence: Evidence) -> bool {
        let has_room = || self.windows.get(rule.id).is_none_or(|window| window.admitted < self.most);
        evidence >= Evidence::Smb && (evidence > hidden.evidence || has_room())
    }

    /// Alerts of a rule that are opened in a window.
    #[must_use]
    pub const fn most(&self) -> u64 {
        self.most
    }

    /// Ends the windows that are over at `now`; `None` where there is none, otherwise the summaries of those that hid something, in the
    /// order in which they began.
    pub fn due(&mut self, now: i128) -> Option<Vec<Summary>> {
        let over: Vec<_> =
            self.windows.extract_if(|_, window| window.is_over(now)).map(|(_, window)| window).collect();
        (!over.is_empty()).then(|| self.ended(&over, now))
    }

    /// Summaries of the windows that are open, as they stand; `None` where nothing changed since.
    pub fn standing(&mut self, now: i128) -> Option<Vec<Summary>> {
        mem::take(&mut self.changed)
            .then(|| self.windows.values().filter_map(|window| window.summary(now)).collect())
    }

    /// Summaries of all windows as they stand, as at the end of the run.
    pub fn drain(&mut self, now: i128) -> Vec<Summary> {
        let all: Vec<_> = self.windows.drain().map(|(_, window)| window).collect();
        self.ended(&all, now)
    }

    fn ended(&mut self, windows: &[Window], now: i128) -> Vec<Summary> {
        self.changed = true;
        let mut summaries: Vec<_> = windows.iter().filter_map(|window| window.summary(now)).collect();
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
