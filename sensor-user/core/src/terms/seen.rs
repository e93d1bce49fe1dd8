//! When each rule last saw its terms: in memory, exact, bounded.
//!
//! Each rule has a window of its own. A term that does not fit is always new, never known. A stored time is at most
//! five minutes old.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use super::{DAY, SECOND, Term, TermRow};
use crate::profile::Windows;

/// A time is stored again if the stored one is older than this.
const REFRESH: i64 = 300 * SECOND;

/// Most terms of one rule.
const MAX_TERMS: usize = 1 << 18;

/// When a term was last seen, in steady time.
#[derive(Clone, Copy, Debug)]
struct LastSeen {
    last: i64,
    stored: i64,
}

/// The terms of one rule.
#[derive(Debug)]
struct RuleTerms {
    window: i64,
    terms: HashMap<IpAddr, LastSeen>,
    changed: HashSet<IpAddr>,
}

impl RuleTerms {
    fn is_new(&self, address: IpAddr, now: i64) -> bool {
        self.terms.get(&address).is_none_or(|seen| now - seen.last > self.window)
    }

    fn learn(&mut self, address: IpAddr, now: i64) {
        let Some(seen) = self.terms.get_mut(&address) else {
            if self.terms.len() < MAX_TERMS {
                self.terms.insert(address, LastSeen { last: now, stored: now });
                self.changed.insert(address);
            }
            return;
        };
        // A clock that was set back reverts no time.
        seen.last = seen.last.max(now);
        if seen.last - seen.stored > REFRESH {
            seen.stored = seen.last;
            self.changed.insert(address);
        }
    }
}

/// The terms of all rules.
#[derive(Debug)]
pub(super) struct Seen(BTreeMap<&'static str, RuleTerms>);

impl Seen {
    /// Nothing yet.
    pub(super) fn new(windows: &Windows) -> Self {
        let rule = |(rule, days)| {
            let window = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(DAY);
            (rule, RuleTerms { window, terms: HashMap::new(), changed: HashSet::new() })
        };
        Self(windows.iter().map(rule).collect())
    }

    /// Takes over a stored term; one of an unknown rule is ignored.
    pub(super) fn restore(&mut self, row: &TermRow) {
        if let Some(terms) = self.0.get_mut(row.rule.as_str()) {
            terms.terms.insert(row.address, LastSeen { last: row.last, stored: row.last });
        }
    }

    /// Whether the rule has not seen the term in its window before `now`.
    pub(super) fn is_new(&self, term: Term, now: i64) -> bool {
        self.0.get(term.rule).is_none_or(|terms| terms.is_new(term.address, now))
    }

    /// The rule saw the term.
    pub(super) fn learn(&mut self, term: Term, now: i64) {
        if let Some(terms) = self.0.get_mut(term.rule) {
            terms.learn(term.address, now);
        }
    }

    /// Whether the rule has a term, however old.
    pub(super) fn has(&self, rule: &str, address: IpAddr) -> bool {
        self.0.get(rule).is_some_and(|terms| terms.terms.contains_key(&address))
    }

    /// The window of a rule, and its terms in it.
    pub(super) fn of(&self, rule: &str, now: i64) -> Option<(i64, impl Iterator<Item = IpAddr> + '_)> {
        let terms = self.0.get(rule)?;
        let current = terms.terms.keys().filter(move |address| !terms.is_new(**address, now));
        Some((terms.window, current.copied()))
    }

    /// Terms that a rule knows.
    pub(super) fn known(&self, rule: &str) -> usize {
        self.0.get(rule).map_or(0, |terms| terms.terms.len())
    }

    /// Terms that are not stored yet, once.
    pub(super) fn take_changes(&mut self) -> Vec<TermRow> {
        let mut rows = Vec::new();
        for (rule, terms) in &mut self.0 {
            for address in terms.changed.drain() {
                if let Some(seen) = terms.terms.get(&address) {
                    rows.push(TermRow { rule: (*rule).to_owned(), address, last: seen.last });
                }
            }
        }
        rows.sort();
        rows
    }

    /// Forgets terms older than the window of their rule; returns the time before which each rule forgot.
    pub(super) fn forget(&mut self, now: i64) -> Vec<(&'static str, i64)> {
        let mut forgotten = Vec::new();
        for (rule, terms) in &mut self.0 {
            let oldest = now - terms.window;
            let before = terms.terms.len();
            terms.terms.retain(|_, seen| seen.last >= oldest);
            if terms.terms.len() < before {
                forgotten.push((*rule, oldest));
            }
        }
        forgotten
    }
}
