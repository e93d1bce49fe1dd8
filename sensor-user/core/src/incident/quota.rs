//! The quota: how many new incidents of one rule are opened in five minutes. It protects the reader from a flood. It never holds
//! back an incident that reached a session.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    time::Duration,
};

use super::{IncidentId, QuotaSummary};
use crate::{level::EvidenceLevel, lru_map::LruMap, rules::RuleMeta, time::Timestamp};

/// Length of a window.
pub(crate) const WINDOW: Duration = Duration::from_secs(300);

/// Incidents of a window that are distinguished, so that each is counted once however often it asks.
const MAX_DISTINCT: usize = 1 << 16;

/// Clients that are counted in a window, at least, and those of them that a summary names.
const SOURCES: usize = 512;
const NAMED_SOURCES: usize = 5;

/// Whether an incident may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may.
    Open,
    /// It is counted.
    HeldBack,
}

/// The windows of all rules.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: u64,
    windows: BTreeMap<&'static str, Window>,
    held_back: u64,
}

#[derive(Debug)]
struct Window {
    rule: &'static RuleMeta,
    since: Timestamp,
    opened: u64,
    held_back: HashSet<IncidentId>,
    uncounted: u64,
    sources: LruMap<IpAddr, u64>,
    loudest: Vec<(IpAddr, u64)>,
    summaries: u64,
}

impl Quota {
    /// So many incidents of a rule in a window.
    #[must_use]
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, windows: BTreeMap::new(), held_back: 0 }
    }

    /// Asks for an incident that is led by `rule`, whose client is `source`. Gives a summary when it is the first that is held back.
    pub(crate) fn admit(
        &mut self,
        id: IncidentId,
        rule: &'static RuleMeta,
        level: EvidenceLevel,
        source: IpAddr,
        now: Timestamp,
    ) -> (Admission, Option<QuotaSummary>) {
        let window = self.windows.entry(rule.id).or_insert_with(|| Window::new(rule, now));
        if window.opened < self.limit || level >= EvidenceLevel::Session {
            window.opened += 1;
            return (Admission::Open, None);
        }
        let first = window.held_back.is_empty();
        if window.held_back.len() >= MAX_DISTINCT {
            window.uncounted += 1;
            self.held_back += 1;
        } else if window.held_back.insert(id) {
            self.held_back += 1;
            window.count_source(source);
        }
        (Admission::HeldBack, first.then(|| window.summary(now, false)))
    }

    /// Ends windows whose time is up; gives the final summaries of those that held something back.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Vec<QuotaSummary> {
        let mut summaries = Vec::new();
        self.windows.retain(|_, window| {
            // A clock that was set back ends it as well.
            let over = now.distance(window.since) >= WINDOW;
            if over && !window.held_back.is_empty() {
                summaries.push(window.summary(now, true));
            }
            !over
        });
        summaries
    }

    /// Ends all windows, as at the end of the run.
    pub(crate) fn drain(&mut self, now: Timestamp) -> Vec<QuotaSummary> {
        let mut windows = std::mem::take(&mut self.windows);
        let open = windows.values_mut().filter(|window| !window.held_back.is_empty());
        open.map(|window| window.summary(now, true)).collect()
    }

    /// Incidents that were held back so far.
    #[must_use]
    pub(crate) const fn held_back(&self) -> u64 {
        self.held_back
    }
}

impl Window {
    fn new(rule: &'static RuleMeta, since: Timestamp) -> Self {
        Self {
            rule,
            since,
            opened: 0,
            held_back: HashSet::new(),
            uncounted: 0,
            sources: LruMap::new(SOURCES),
            loudest: Vec::new(),
            summaries: 0,
        }
    }

    fn count_source(&mut self, source: IpAddr) {
        let count = self.sources.entry(source);
        *count += 1;
        let count = *count;
        match self.loudest.iter_mut().find(|(known, _)| *known == source) {
            Some((_, known)) => *known = count,
            None => self.loudest.push((source, count)),
        }
        self.loudest.sort_by_key(|(source, count)| (std::cmp::Reverse(*count), *source));
        self.loudest.truncate(NAMED_SOURCES);
    }

    fn summary(&mut self, now: Timestamp, is_final: bool) -> QuotaSummary {
        self.summaries += 1;
        QuotaSummary {
            rule: self.rule,
            since: self.since,
            until: self.since + WINDOW,
            at: now,
            sequence: self.summaries,
            opened: self.opened,
            held_back: self.held_back.len() as u64 + self.uncounted,
            is_final,
            sources: self.loudest.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::smb_to_internet::META as RULE;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000 + seconds)
    }

    fn ask(
        quota: &mut Quota,
        id: u64,
        level: EvidenceLevel,
        seconds: i64,
    ) -> (Admission, Option<QuotaSummary>) {
        quota.admit(IncidentId(id), &RULE, level, IpAddr::from([9, 9, 0, (id % 7) as u8]), at(seconds))
    }

    #[test]
    fn summarises_a_flood_at_the_quota_and_at_the_end_of_the_window() {
        let mut quota = Quota::new(100);
        let summaries: Vec<_> =
            (0..1_000).filter_map(|id| ask(&mut quota, id, EvidenceLevel::Attempt, 1).1).collect();
        assert_eq!(summaries.len(), 1, "at once, and once");
        assert_eq!((summaries[0].opened, summaries[0].held_back, summaries[0].is_final), (100, 1, false));
        assert!(quota.advance(at(299)).is_empty());
        let last = quota.advance(at(301)).remove(0);
        assert_eq!((last.opened, last.held_back, last.is_final), (100, 900, true));
        assert_eq!(last.sources.len(), NAMED_SOURCES);
        assert_eq!(ask(&mut quota, 5_000, EvidenceLevel::Attempt, 302).0, Admission::Open);
    }

    #[test]
    fn always_opens_an_incident_with_a_session() {
        let mut quota = Quota::new(1);
        assert_eq!(ask(&mut quota, 1, EvidenceLevel::Attempt, 0).0, Admission::Open);
        assert_eq!(ask(&mut quota, 2, EvidenceLevel::Credential, 0).0, Admission::HeldBack);
        for level in [EvidenceLevel::Session, EvidenceLevel::Share, EvidenceLevel::Data] {
            assert_eq!(ask(&mut quota, 3, level, 0).0, Admission::Open);
        }
    }

    #[test]
    fn counts_an_incident_that_asks_again_once() {
        let mut quota = Quota::new(0);
        for _ in 0..9 {
            ask(&mut quota, 7, EvidenceLevel::Smb, 0);
        }
        assert_eq!(quota.drain(at(5))[0].held_back, 1);
        assert_eq!(quota.held_back(), 1);
    }
}
