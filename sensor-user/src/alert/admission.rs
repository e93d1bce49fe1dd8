//! Which alerts are written one by one, and how many were not.
//!
//! Stands between the book and the output. In each window of five minutes a rule opens at most so many alerts (100); what goes over
//! that is counted by how far it got, and the counts are one [`Summary`] when the window is over. Flows that only tried never
//! take the place of flows that spoke SMB: those below `smb` share that many, the others have as many to themselves.

use std::collections::HashMap;

use crate::{detect::Rule, flow::Evidence};

/// Length of a window, nanoseconds.
const WINDOW: i128 = 300_000_000_000;

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
}

impl Window {
    fn is_over(&self, now: i128) -> bool {
        // A clock that was set back must not keep a window open.
        now < self.from || now - self.from >= WINDOW
    }

    fn count(&mut self, evidence: Evidence) -> &mut u64 {
        &mut self.hidden[evidence as usize]
    }

    fn summary(self, now: i128) -> Option<Summary> {
        let Self { rule, number: window, from, hidden, repeated, .. } = self;
        let until = if now < from { from } else { now.min(from + WINDOW) };
        let admitted = self.tried + self.spoke;
        let summary = Summary { rule, window, from, until, admitted, hidden, repeated };
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
    pub fn ask(
        &mut self,
        rule: &'static Rule,
        evidence: Evidence,
        before: Option<Hidden>,
        now: i128,
    ) -> Verdict {
        self.end(rule.id, now);
        let window = self.windows.entry(rule.id).or_insert_with(|| {
            self.opened += 1;
            Window {
                number: self.opened,
                rule,
                from: now,
                tried: 0,
                spoke: 0,
                hidden: [0; Evidence::ALL.len()],
                repeated: 0,
            }
        });
        let spoke = evidence >= Evidence::Smb;
        let before_here = before.filter(|hidden| hidden.window == window.number);
        if let Some(hidden) = before_here {
            *window.count(hidden.evidence) -= 1;
        }
        if spoke && window.spoke < self.most || !spoke && window.tried + window.spoke < self.most {
            *(if spoke { &mut window.spoke } else { &mut window.tried }) += 1;
            self.hidden -= u64::from(before.is_some());
            return Verdict::Admitted;
        }
        *window.count(evidence) += 1;
        window.repeated += u64::from(before.is_some() && before_here.is_none());
        self.hidden += u64::from(before.is_none());
        Verdict::Hidden(Hidden { window: window.number, evidence })
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
mod tests {
    use super::*;
    use crate::detect::RULES;

    const SECOND: i128 = 1_000_000_000;
    const NOW: i128 = 1_700_000_000 * SECOND;
    const MOST: u64 = 100;

    fn ask(admission: &mut Admission, evidence: Evidence, now: i128) -> Verdict {
        admission.ask(RULES[0], evidence, None, now)
    }

    fn admitted(admission: &mut Admission, times: u64, evidence: Evidence, now: i128) -> u64 {
        (0..times).filter(|_| ask(admission, evidence, now) == Verdict::Admitted).count() as u64
    }

    #[test]
    fn a_hundred_in_a_window_and_the_rest_in_one_summary_with_exact_counts() {
        let mut admission = Admission::new(MOST);
        assert_eq!(admitted(&mut admission, 9_000, Evidence::Attempt, NOW), 100);
        assert_eq!(admitted(&mut admission, 1_000, Evidence::Refused, NOW + 299 * SECOND), 0);
        assert!(admission.due(NOW + 299 * SECOND).is_empty());
        let summaries = admission.due(NOW + 300 * SECOND);
        assert_eq!(summaries.len(), 1);
        let one = &summaries[0];
        assert_eq!((one.admitted, one.total(), one.repeated), (100, 9_900, 0));
        assert_eq!(one.hidden[..3], [8_900, 1_000, 0]);
        assert_eq!((one.from, one.until), (NOW, NOW + 300 * SECOND));
        assert_eq!(admission.hidden(), 9_900);
        assert_eq!(admitted(&mut admission, 200, Evidence::Attempt, NOW + 301 * SECOND), 100, "anew");
        assert_eq!(admission.drain(NOW + 302 * SECOND).len(), 1, "the end of the run tells the rest");
    }

    #[test]
    fn a_window_without_anything_hidden_has_no_summary() {
        let mut admission = Admission::new(MOST);
        assert_eq!(admitted(&mut admission, 100, Evidence::Data, NOW), 100);
        assert!(admission.due(NOW + 400 * SECOND).is_empty());
    }

    #[test]
    fn rules_do_not_share_their_window() {
        let mut admission = Admission::new(MOST);
        assert_eq!(admitted(&mut admission, 150, Evidence::Data, NOW), 100);
        assert_eq!(admission.ask(RULES[1], Evidence::Data, None, NOW), Verdict::Admitted);
    }

    #[test]
    fn attempts_do_not_take_the_place_of_what_spoke_smb() {
        let mut admission = Admission::new(MOST);
        assert_eq!(admitted(&mut admission, 5_000, Evidence::Attempt, NOW), 100);
        assert_eq!(admitted(&mut admission, 150, Evidence::Session, NOW), 100);
        let mut other = Admission::new(MOST);
        assert_eq!(admitted(&mut other, 60, Evidence::Smb, NOW), 60);
        assert_eq!(admitted(&mut other, 60, Evidence::Attempt, NOW), 40, "a hundred in all");
    }

    #[test]
    fn what_asks_again_is_counted_once() {
        let mut admission = Admission::new(MOST);
        assert_eq!(admitted(&mut admission, 100, Evidence::Attempt, NOW), 100);
        let Verdict::Hidden(first) = ask(&mut admission, Evidence::Refused, NOW) else { panic!() };
        assert!(!first.may_ask_again(Evidence::Established) && first.may_ask_again(Evidence::Smb));
        let again = admission.ask(RULES[0], Evidence::Smb, Some(first), NOW);
        assert_eq!((again, admission.hidden()), (Verdict::Admitted, 0));
        assert!(admission.due(NOW + 300 * SECOND).is_empty(), "nothing is hidden any more");
    }

    #[test]
    fn what_is_refused_again_moves_within_its_window_and_is_named_in_another() {
        let mut admission = Admission::new(MOST);
        assert_eq!(admitted(&mut admission, 100, Evidence::Smb, NOW), 100);
        let Verdict::Hidden(first) = ask(&mut admission, Evidence::Smb, NOW) else { panic!() };
        let Verdict::Hidden(second) = admission.ask(RULES[0], Evidence::Session, Some(first), NOW) else {
            panic!()
        };
        let next = NOW + 300 * SECOND;
        let summary = admission.due(next).remove(0);
        assert_eq!((summary.total(), summary.hidden[Evidence::Session as usize]), (1, 1));
        assert_eq!(admitted(&mut admission, 100, Evidence::Smb, next), 100);
        let third = admission.ask(RULES[0], Evidence::Data, Some(second), next);
        assert!(matches!(third, Verdict::Hidden(_)));
        let summary = admission.drain(next).remove(0);
        assert_eq!((summary.total(), summary.repeated, admission.hidden()), (1, 1, 1));
    }

    #[test]
    fn a_clock_that_steps_back_ends_the_window() {
        let mut admission = Admission::new(MOST);
        assert_eq!(admitted(&mut admission, 150, Evidence::Attempt, NOW), 100);
        assert_eq!(admitted(&mut admission, 150, Evidence::Attempt, NOW - 7_200 * SECOND), 100);
        let summaries = admission.due(NOW - 7_200 * SECOND);
        assert_eq!(summaries.iter().map(Summary::total).collect::<Vec<_>>(), [50]);
        assert_eq!(summaries[0].until, NOW);
    }
}
