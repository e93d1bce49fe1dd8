//! Known terms that several sensors share: the requests of this sensor to the others, and their answers.
//!
//! This sensor states every term that it knows for the shared rule once, and again before the others forget it. It repeats a
//! statement that is not confirmed in time, so that no term is lost while the others cannot be reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::SECOND;

/// A question of a sensor to the others about an address, or news for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermRequest {
    /// Whether another sensor knows it. Nobody knows it for that.
    Look(IpAddr),
    /// The same; and this sensor knows it from now on.
    Claim(IpAddr),
    /// This sensor knows it, still.
    Keep(IpAddr),
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermAnswer {
    /// No other sensor knows the address.
    New(IpAddr),
    /// Another sensor knows it.
    Known(IpAddr),
    /// The statement arrived.
    Kept(IpAddr),
    /// Nobody could be asked.
    Unanswered(IpAddr),
}

impl TermRequest {
    /// The address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Look(address) | Self::Claim(address) | Self::Keep(address) => address,
        }
    }
}

/// Time for a statement to be confirmed.
const CONFIRMED_WITHIN: i64 = 10 * SECOND;

/// Most statements that are made together.
pub(super) const MAX_STATEMENTS: usize = 8;

/// The terms of one rule, as far as the others have to learn of them.
#[derive(Debug)]
pub(super) struct Sharing {
    /// The rule.
    pub(super) rule: &'static str,
    /// Time after which a term is stated again that is still in use.
    every: i64,
    due: BTreeSet<IpAddr>,
    /// Those that were stated, with the time, and not confirmed.
    stated: BTreeMap<IpAddr, i64>,
    /// Those that were confirmed, with the time.
    confirmed: BTreeMap<IpAddr, i64>,
}

impl Sharing {
    /// All of these are due. Others forget a term after `window`.
    pub(super) fn new(rule: &'static str, window: i64, known: impl Iterator<Item = IpAddr>) -> Self {
        Self {
            rule,
            every: window / 4,
            due: known.collect(),
            stated: BTreeMap::new(),
            confirmed: BTreeMap::new(),
        }
    }

    /// The address was seen.
    pub(super) fn seen(&mut self, address: IpAddr, now: i64) {
        let is_fresh = self.confirmed.get(&address).is_some_and(|at| now - at < self.every);
        if !is_fresh && !self.stated.contains_key(&address) {
            self.due.insert(address);
        }
    }

    /// The next statements.
    pub(super) fn take_due(&mut self, now: i64) -> Vec<IpAddr> {
        let is_overdue = |at: i64| (now - at).abs() >= CONFIRMED_WITHIN;
        self.due.extend(self.stated.iter().filter(|(_, at)| is_overdue(**at)).map(|(address, _)| *address));
        self.stated.retain(|_, at| !is_overdue(*at));
        let next: Vec<IpAddr> = self.due.iter().take(MAX_STATEMENTS).copied().collect();
        for address in &next {
            self.due.remove(address);
            self.stated.insert(*address, now);
        }
        next
    }

    /// A statement arrived.
    pub(super) fn confirm(&mut self, address: IpAddr, now: i64) {
        self.due.remove(&address);
        self.stated.remove(&address);
        self.confirmed.insert(address, now);
    }

    /// Forgets what is not known here any more.
    pub(super) fn retain(&mut self, is_known: impl Fn(&IpAddr) -> bool) {
        self.due.retain(&is_known);
        self.stated.retain(|address, _| is_known(address));
        self.confirmed.retain(|address, _| is_known(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> IpAddr {
        [8, 8, 4, number].into()
    }

    #[test]
    fn unconfirmed_statement_is_made_again_and_a_confirmed_one_only_when_it_is_old() {
        let mut sharing = Sharing::new("rule", 400 * SECOND, [address(1)].into_iter());
        assert_eq!(sharing.take_due(0), [address(1)]);
        sharing.seen(address(1), 1);
        assert!(sharing.take_due(CONFIRMED_WITHIN - 1).is_empty());
        assert_eq!(sharing.take_due(CONFIRMED_WITHIN), [address(1)], "nobody confirmed it");
        sharing.confirm(address(1), CONFIRMED_WITHIN);
        sharing.seen(address(1), CONFIRMED_WITHIN + 99 * SECOND);
        assert!(sharing.take_due(CONFIRMED_WITHIN + 99 * SECOND).is_empty());
        sharing.seen(address(1), CONFIRMED_WITHIN + 100 * SECOND);
        assert_eq!(sharing.take_due(CONFIRMED_WITHIN + 100 * SECOND), [address(1)]);
    }

    #[test]
    fn statements_are_few_at_a_time_and_none_is_left_out() {
        let mut sharing = Sharing::new("rule", 400 * SECOND, (0..20).map(address));
        let rounds = [0, 1, 2, 3].map(|second| sharing.take_due(second * SECOND).len());
        assert_eq!(rounds, [MAX_STATEMENTS, MAX_STATEMENTS, 4, 0]);
    }
}
