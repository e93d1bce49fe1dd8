//! When the terms of each rule were seen last: in memory, exact.
//!
//! Each rule has a window of its own. Bounded: what there is no room for is told as new each time, rather than never. In the
//! store a last sight is five minutes behind at most.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use super::{DAY, SECOND, Term};
use crate::profile::Windows;

/// A last sight is written again when what is written is older than this.
const REFRESH: i128 = 300 * SECOND;

/// Terms of one rule that are remembered at a time.
const MOST: usize = 1 << 18;

/// When a term was seen last.
#[derive(Clone, Copy, Debug)]
struct Sight {
    last: i128,
    written: i128,
}

/// What one rule has seen.
#[derive(Debug)]
pub(super) struct RuleTerms {
    window: i128,
    sights: HashMap<IpAddr, Sight>,
    unwritten: HashSet<IpAddr>,
}

impl RuleTerms {
    /// Takes over a last sight that was saved.
    pub(super) fn restore(&mut self, address: IpAddr, last: i128) {
        self.sights.insert(address, Sight { last, written: last });
    }

    /// What was seen since it was written last.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = (IpAddr, i128)> {
        self.unwritten.iter().filter_map(|address| Some((*address, self.sights.get(address)?.last)))
    }

    /// The time before which a last sight is none any more.
    pub(super) const fn oldest(&self, now: i128) -> i128 {
        now - self.window
    }

    fn is_new(&mut self, address: IpAddr, now: i128) -> bool {
        let Some(sight) = self.sights.get_mut(&address) else {
            if self.sights.len() < MOST {
                self.sights.insert(address, Sight { last: now, written: now });
                self.unwritten.insert(address);
            }
            return true;
        };
        let new = now - sight.last > self.window;
        // A clock that was set back makes nothing new, and takes back no sight.
        sight.last = sight.last.max(now);
        if sight.last - sight.written > REFRESH {
            sight.written = sight.last;
            self.unwritten.insert(address);
        }
        new
    }
}

/// What all rules have seen.
#[derive(Debug)]
pub(super) struct Seen(BTreeMap<&'static str, RuleTerms>);

impl Seen {
    /// Nothing yet.
    pub(super) fn new(windows: &Windows) -> Self {
        let rule = |(rule, days)| {
            let window = i128::from(days) * DAY;
            (rule, RuleTerms { window, sights: HashMap::new(), unwritten: HashSet::new() })
        };
        Self(windows.iter().map(rule).collect())
    }

    /// Whether the rule did not see the term in its window before `now`. From now on it did.
    pub(super) fn is_new(&mut self, term: Term, now: i128) -> bool {
        self.0.get_mut(term.rule).is_none_or(|terms| terms.is_new(term.address, now))
    }

    /// Terms that a rule knows.
    pub(super) fn known(&self, rule: &str) -> usize {
        self.0.get(rule).map_or(0, |terms| terms.sights.len())
    }

    /// Every rule with what it has seen.
    pub(super) fn rules(&self) -> impl Iterator<Item = (&'static str, &RuleTerms)> {
        self.0.iter().map(|(rule, terms)| (*rule, terms))
    }

    /// The same, to be filled.
    pub(super) fn rules_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut RuleTerms)> {
        self.0.iter_mut().map(|(rule, terms)| (*rule, terms))
    }

    /// Whether everything is written.
    pub(super) fn is_written(&self) -> bool {
        self.0.values().all(|terms| terms.unwritten.is_empty())
    }

    /// Says that everything is written.
    pub(super) fn set_written(&mut self) {
        self.0.values_mut().for_each(|terms| terms.unwritten.clear());
    }

    /// Forgets what is older than the window of its rule.
    pub(super) fn forget(&mut self, now: i128) {
        for terms in self.0.values_mut() {
            let oldest = terms.oldest(now);
            terms.sights.retain(|_, sight| sight.last >= oldest);
        }
    }
}
