//! The window of each new-term rule: the time after which an unseen term is new again.

use std::collections::BTreeMap;

use super::all_rules;

/// Days by rule. Without a configuration they are those of the published rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows(BTreeMap<&'static str, u64>);

impl Default for Windows {
    fn default() -> Self {
        Self(all_rules().filter_map(|rule| Some((rule.rule.id, rule.new_term()?.days))).collect())
    }
}

impl Windows {
    /// The window of a rule; `None` if it asks for no new term.
    #[must_use]
    pub fn days(&self, rule: &str) -> Option<u64> {
        self.0.get(rule).copied()
    }

    /// Every rule with a window, and that window.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(rule, days)| (*rule, *days))
    }

    /// The same, as mutable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut u64)> {
        self.0.iter_mut().map(|(rule, days)| (*rule, days))
    }
}
