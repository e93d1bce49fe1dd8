//! New terms of rules, each with a field and a window of its own.
//!
//! Exact while the agent runs; in the store the last sight of a term is five minutes behind at most, which is how often the
//! published rules look. Bounded: what there is no room for is told as new each time, rather than never.

use std::{collections::HashMap, net::IpAddr};

use redb::{ReadableTable, Table, TableDefinition};

use super::{Profile, ProfileName};

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// A last sight is written again when what is written is older than this.
const REFRESH: i128 = 300 * SECOND;

/// Terms that are remembered at a time.
const MOST: usize = 1 << 18;

/// Rule and address, with a blank between → last sight, seconds since the Unix epoch.
pub(crate) const TABLE: TableDefinition<'_, &str, i64> = TableDefinition::new("rule_terms");

/// A value of a rule's new-terms field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// Identifier of the rule.
    pub rule: &'static str,
    /// Value.
    pub address: IpAddr,
}

/// When a term was seen last.
#[derive(Clone, Copy, Debug)]
struct Sight {
    last: i128,
    written: i128,
}

/// What rules have seen.
#[derive(Debug, Default)]
pub(crate) struct RuleTerms {
    seen: HashMap<Term, Sight>,
    unwritten: Vec<Term>,
}

impl RuleTerms {
    /// Whether `term` was not seen in the `days` before `now`. From now on it was.
    pub(crate) fn is_new(&mut self, term: Term, days: u64, now: i128) -> bool {
        let Some(sight) = self.seen.get_mut(&term) else {
            if self.seen.len() < MOST {
                self.seen.insert(term, Sight { last: now, written: now });
                self.unwritten.push(term);
            }
            return true;
        };
        let new = now - sight.last > i128::from(days) * DAY;
        // A clock that was set back makes nothing new, and takes back no sight.
        sight.last = sight.last.max(now);
        if sight.last - sight.written > REFRESH {
            sight.written = sight.last;
            self.unwritten.push(term);
        }
        new
    }

    /// Whether everything is written.
    pub(crate) const fn is_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// Says that everything is written.
    pub(crate) fn set_written(&mut self) {
        self.unwritten.clear();
    }

    /// Forgets what no rule can ask for any more.
    pub(crate) fn forget(&mut self, now: i128) {
        let oldest = oldest(now);
        self.seen.retain(|_, sight| sight.last >= oldest);
    }

    /// Writes what was seen.
    ///
    /// # Errors
    /// When the store does not take it.
    pub(crate) fn write(
        &self,
        table: &mut Table<'_, &'static str, i64>,
        now: i128,
    ) -> Result<(), redb::Error> {
        for term in &self.unwritten {
            if let Some(sight) = self.seen.get(term) {
                table.insert(format!("{} {}", term.rule, term.address).as_str(), seconds(sight.last))?;
            }
        }
        table.retain(|_, last| last >= seconds(oldest(now)))?;
        Ok(())
    }

    /// Reads what was written of rules that there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn read(
        table: &impl ReadableTable<&'static str, i64>,
        now: i128,
    ) -> Result<Self, redb::Error> {
        let rules: Vec<&'static str> =
            ProfileName::ALL.iter().flat_map(|name| name.profile().rules).map(|rule| rule.rule.id).collect();
        let mut terms = Self::default();
        for entry in table.iter()? {
            let (key, last) = entry?;
            let last = i128::from(last.value()) * SECOND;
            let Some((rule, address)) = key.value().split_once(' ') else { continue };
            let rule = rules.iter().find(|known| **known == rule);
            if let (Some(rule), Ok(address), true) = (rule, address.parse(), last >= oldest(now)) {
                terms.seen.insert(Term { rule, address }, Sight { last, written: last });
            }
        }
        Ok(terms)
    }
}

fn oldest(now: i128) -> i128 {
    now - i128::from(Profile::longest_window()) * DAY
}

fn seconds(nanos: i128) -> i64 {
    i64::try_from(nanos / SECOND).unwrap_or(i64::MAX)
}
