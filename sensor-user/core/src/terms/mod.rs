//! Known terms: which addresses each rule has seen recently.
//!
//! Input times are those of the wall clock. Stored times are steady, so that setting the clock, either
//! way, ages nothing and ends no learning. The caller stores [`TermChanges`] and passes them back at the next start.

mod seen;
mod shared;
mod steady;

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::shared::{TermAnswer, TermRequest};
pub use self::steady::{Clocks, Reading, SteadyTime, Step};
use self::{seen::Seen, shared::Sharing};
pub use crate::profile::Term;
use crate::{profile::Windows, time::Timestamp};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// A term as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TermRow {
    /// Identifier of the rule.
    pub rule: String,
    /// Value.
    pub address: IpAddr,
    /// When it was last seen, steady time, nanoseconds.
    pub last: i64,
}

/// Stored state besides the terms themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermClock {
    /// The clocks when this was stored.
    pub reading: Option<Reading>,
    /// When learning began, steady time; `None` after its end.
    pub learning_since: Option<i64>,
}

/// Changes to store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermChanges {
    /// New terms and new times.
    pub rows: Vec<TermRow>,
    /// Rules that forgot terms older than a steady time.
    pub forgotten: Vec<(&'static str, i64)>,
    /// The clocks.
    pub clock: TermClock,
}

/// The known terms.
#[derive(Debug)]
pub struct KnownTerms {
    seen: Seen,
    time: SteadyTime,
    learning_since: Option<i64>,
    learning_for: i64,
    forgot_at: Option<i64>,
    sharing: Option<Sharing>,
}

impl KnownTerms {
    /// Continues from the stored state. Without a stored clock this is the first start: it learns for `learning` from now on.
    #[must_use]
    pub fn restore(
        windows: &Windows,
        learning: Duration,
        stored: Option<TermClock>,
        rows: &[TermRow],
        now: Clocks,
    ) -> Self {
        let time = SteadyTime::of(stored.and_then(|clock| clock.reading), now);
        let steady = time.at(now.wall);
        let since = stored.map_or(Some(steady), |clock| clock.learning_since);
        let mut seen = Seen::new(windows);
        rows.iter().for_each(|row| seen.restore(row));
        Self {
            seen,
            learning_for: i64::try_from(learning.as_nanos()).unwrap_or(i64::MAX),
            // It began with a clock in the future: it learns from now on, for no longer than it should.
            learning_since: since.map(|since| since.min(steady)),
            time,
            forgot_at: None,
            sharing: None,
        }
    }

    /// Knows nothing, learns nothing and uses the given time, as for a capture.
    #[must_use]
    pub fn in_memory(windows: &Windows) -> Self {
        Self {
            seen: Seen::new(windows),
            time: SteadyTime::default(),
            learning_since: None,
            learning_for: 0,
            forgot_at: None,
            sharing: None,
        }
    }

    /// Knows these terms, whenever they were seen.
    pub fn know(&mut self, rows: &[TermRow]) {
        rows.iter().for_each(|row| self.seen.restore(row));
    }

    /// Whether the rule has not seen the term in its window before `now`.
    #[must_use]
    pub fn is_new(&self, term: Term, now: Timestamp) -> bool {
        self.seen.is_new(term, self.time.at(now))
    }

    /// The rule saw the term.
    pub fn learn(&mut self, term: Term, now: Timestamp) {
        let steady = self.time.at(now);
        self.seen.learn(term, steady);
        if let Some(sharing) = self.sharing.as_mut().filter(|sharing| sharing.rule == term.rule)
            && self.seen.has(term.rule, term.address)
        {
            sharing.seen(term.address, steady);
        }
    }

    /// Shares the terms of this rule with other sensors from now on, or those of none.
    pub fn share(&mut self, rule: Option<&'static str>, now: Timestamp) {
        if rule == self.sharing.as_ref().map(|sharing| sharing.rule) {
            return;
        }
        let known = rule.and_then(|rule| Some((rule, self.seen.of(rule, self.time.at(now))?)));
        self.sharing = known.map(|(rule, (window, terms))| Sharing::new(rule, window, terms));
    }

    /// Terms that other sensors are to learn of now. To be called once a second.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<IpAddr> {
        let steady = self.time.at(now);
        self.sharing.as_mut().map(|sharing| sharing.take_due(steady)).unwrap_or_default()
    }

    /// The other sensors have heard of a term.
    pub fn confirm(&mut self, address: IpAddr, now: Timestamp) {
        let steady = self.time.at(now);
        let seen = &self.seen;
        // A word from outside makes nothing known, and uses no memory.
        if let Some(sharing) = self.sharing.as_mut().filter(|sharing| seen.has(sharing.rule, address)) {
            sharing.confirm(address, steady);
        }
    }

    /// Until when destinations are learnt and none is new; `None` after that.
    #[must_use]
    pub fn learning_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.learning_since?.saturating_add(self.learning_for);
        (self.time.at(now) < until).then(|| self.time.wall(until))
    }

    /// Terms that a rule knows.
    #[must_use]
    pub fn known(&self, rule: &str) -> usize {
        self.seen.known(rule)
    }

    /// Takes a reading of the clocks, before any question at that moment; returns the step of the wall clock, if it
    /// was set.
    pub fn keep_time(&mut self, now: Clocks) -> Option<Step> {
        self.time.keep(now)
    }

    /// The changes since the last call. Once an hour, terms older than the window of their rule are forgotten.
    pub fn take_changes(&mut self, now: Timestamp) -> TermChanges {
        let steady = self.time.at(now);
        if self.learning_since.is_some() && self.learning_until(now).is_none() {
            // Learning that ended stays ended, whatever the clock says later.
            self.learning_since = None;
        }
        let mut forgotten = Vec::new();
        if self.forgot_at.is_none_or(|at| (steady - at).abs() >= HOUR) {
            self.forgot_at = Some(steady);
            forgotten = self.seen.forget(steady);
            let seen = &self.seen;
            if let Some(sharing) = &mut self.sharing {
                let rule = sharing.rule;
                sharing.retain(|address| seen.has(rule, *address));
            }
        }
        TermChanges {
            rows: self.seen.take_changes(),
            forgotten,
            clock: TermClock { reading: self.time.reading(), learning_since: self.learning_since },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "rare-smb-destination";
    const START: i64 = 1_700_000_000;

    fn clocks(seconds: i64) -> Clocks {
        Clocks { wall: at(seconds), since_boot: (seconds + 1_000) * SECOND, boot: Some(1) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(START + seconds)
    }

    fn term(text: &str) -> Term {
        Term { rule: RULE, address: text.parse().unwrap() }
    }

    fn first_start() -> KnownTerms {
        KnownTerms::restore(&Windows::default(), Duration::from_secs(24 * 3_600), None, &[], clocks(0))
    }

    #[test]
    fn looking_up_a_term_does_not_learn_it() {
        let mut terms = first_start();
        assert!(terms.is_new(term("8.8.4.4"), at(0)) && terms.is_new(term("8.8.4.4"), at(1)));
        terms.learn(term("8.8.4.4"), at(2));
        assert!(!terms.is_new(term("8.8.4.4"), at(3)));
        let changes = terms.take_changes(at(3));
        assert_eq!(changes.rows.len(), 1);
        assert!(terms.take_changes(at(4)).rows.is_empty(), "stored once");
        let again = KnownTerms::restore(
            &Windows::default(),
            Duration::from_secs(24 * 3_600),
            Some(changes.clock),
            &changes.rows,
            clocks(60),
        );
        assert!(!again.is_new(term("8.8.4.4"), at(60)) && again.is_new(term("8.8.8.8"), at(60)));
    }

    #[test]
    fn term_is_new_again_after_its_window() {
        let mut terms = first_start();
        terms.learn(term("8.8.4.4"), at(0));
        assert!(!terms.is_new(term("8.8.4.4"), at(7 * 86_400)));
        assert!(terms.is_new(term("8.8.4.4"), at(7 * 86_400 + 1)));
        assert_eq!(terms.take_changes(at(8 * 86_400)).forgotten.len(), 1);
        assert_eq!(terms.known(RULE), 0);
    }

    #[test]
    fn shared_terms_are_due_until_they_are_confirmed_and_those_of_others_never() {
        let mut terms = first_start();
        terms.learn(term("8.8.4.4"), at(0));
        assert!(terms.take_due(at(0)).is_empty(), "not shared");
        terms.share(Some(RULE), at(0));
        let known = term("8.8.4.4").address;
        assert_eq!(terms.take_due(at(1)), [known]);
        terms.confirm(known, at(1));
        terms.confirm(term("9.9.9.9").address, at(1));
        terms.learn(term("8.8.4.4"), at(2));
        assert!(terms.take_due(at(60)).is_empty());
        assert!(terms.is_new(term("9.9.9.9"), at(60)), "a confirmation makes nothing known");
        terms.learn(term("8.8.4.4"), at(2 * 86_400));
        assert_eq!(terms.take_due(at(2 * 86_400)), [known], "a quarter of the window is over");
        terms.take_changes(at(10 * 86_400));
        assert!(terms.take_due(at(10 * 86_400)).is_empty(), "it is forgotten");
    }

    #[test]
    fn learning_ends_in_time_and_never_starts_again() {
        let mut terms = first_start();
        assert_eq!(terms.learning_until(at(5)), Some(at(86_400)));
        assert_eq!(terms.learning_until(at(86_400)), None);
        let clock = terms.take_changes(at(86_401)).clock;
        assert_eq!(clock.learning_since, None);
        let again = KnownTerms::restore(
            &Windows::default(),
            Duration::from_secs(24 * 3_600),
            Some(clock),
            &[],
            clocks(86_500),
        );
        assert_eq!(again.learning_until(at(86_500)), None);
    }

    #[test]
    fn wall_clock_step_ages_nothing_and_ends_no_learning() {
        let mut terms = first_start();
        terms.learn(term("8.8.4.4"), at(0));
        let year = 365 * 86_400;
        let stepped = Clocks { wall: at(year), ..clocks(60) };
        assert_eq!(terms.keep_time(stepped).map(|step| step.to), Some(at(year)));
        assert!(!terms.is_new(term("8.8.4.4"), at(year)));
        assert_eq!(terms.learning_until(at(year)), Some(at(year + 86_400 - 60)));
    }
}
