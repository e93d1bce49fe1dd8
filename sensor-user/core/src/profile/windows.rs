//! How long a term has to be unseen to be new again, for each rule that asks for a new term.

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

    /// Every rule that has a window, and that.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(rule, days)| (*rule, *days))
    }

    /// The same, to be set.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut u64)> {
        self.0.iter_mut().map(|(rule, days)| (*rule, days))
    }
}
