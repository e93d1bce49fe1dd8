//! What of a flow is told again when there is more of it.

use crate::{
    detect::{Limits, Severity, Sight, credential_weight, data_leaves, evidenced},
    dissect::{
        Facts,
        facts::{Credential, Outcome},
    },
    flow::Evidence,
};

/// Time between two updates of an alert that tell of nothing graver, nanoseconds.
const UPDATE_PAUSE: i128 = 1_000_000_000;

/// Kinds of facts that are counted.
const KINDS: usize = 15;

/// How much there is to tell of a flow. Each count has a bound, so that a conversation has only so many updates however long it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct News {
    evidence: Evidence,
    /// More left the internal networks than the limits for that.
    data_left: bool,
    /// A credential was sent that is worth most to whoever has it.
    critical: bool,
    counts: [usize; KINDS],
}

impl News {
    pub(super) fn of(sight: &Sight<'_>, limits: &Limits) -> Self {
        Self {
            evidence: sight.flow.evidence,
            data_left: data_leaves(sight, limits),
            critical: credential_weight(sight).0 == Severity::Critical,
            counts: counts(sight),
        }
    }

    /// Whether these are news after what was told before.
    fn adds_to(&self, told: &Self) -> bool {
        self.is_graver_than(told) || self.counts.iter().zip(told.counts).any(|(now, before)| *now > before)
    }

    fn is_graver_than(&self, told: &Self) -> bool {
        self.evidence > told.evidence || self.data_left != told.data_left || self.critical && !told.critical
    }
}

fn counts(sight: &Sight<'_>) -> [usize; KINDS] {
    let none = Facts::default();
    let facts = sight.flow.facts.as_deref().unwrap_or(&none);
    let is_accepted = |one: &&Credential| one.outcome.is_some_and(Outcome::is_accepted);
    let names = &facts.server.names;
    let datagrams = sight.flow.datagrams.as_deref();
    [
        facts.credentials.len(),
        facts.credentials.iter().filter(|one| one.outcome.is_some()).count(),
        facts.credentials.iter().filter(is_accepted).count(),
        facts.session_statuses.len(),
        facts.shares.len(),
        facts.shares.iter().filter(|share| share.outcome.is_some()).count(),
        facts.interfaces.len(),
        facts.interfaces.iter().map(|interface| interface.operations.len()).sum(),
        facts.dialect.is_some().into(),
        (names.netbios_computer.is_some() || names.dns_computer.is_some()).into(),
        (facts.encrypted || facts.compressed).into(),
        (facts.left_out > 0).into(),
        datagrams.map_or(0, |said| said.exchanges.len() + said.messages.len()),
        evidenced(sight).len(),
        // What the client says may have to do where no answer can be seen.
        (sight.flow.settled && sight.flow.one_sided()).into(),
    ]
}

/// What was told of a flow last, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    news: News,
    at: i128,
    /// There was more, so soon after that it was not told yet.
    owed: bool,
}

impl Told {
    pub(super) const fn new(news: News, at: i128) -> Self {
        Self { news, at, owed: false }
    }

    /// Takes what is known now; says whether it is to be told. The last word always is. What is no graver waits for a second since
    /// the last, and is [owed](Self::is_owed): a conversation of many log-ons would write as many documents, each with all of them.
    pub(super) fn learns(&mut self, news: News, last_word: bool, now: i128) -> bool {
        let adds = news.adds_to(&self.news);
        if !adds || !last_word && !news.is_graver_than(&self.news) && !self.has_rested(now) {
            self.owed = adds;
            return false;
        }
        let before = std::mem::replace(self, Self::new(news, now)).news;
        // What a fact was once is not news a second time, as where log-ons are accepted and refused in turn.
        for (count, known) in self.news.counts.iter_mut().zip(before.counts) {
            *count = known.max(*count);
        }
        true
    }

    /// Whether something waits to be told.
    pub(super) const fn is_owed(&self) -> bool {
        self.owed
    }

    /// Whether the last update is so long ago that the next may come. A clock that was set back is no reason to wait.
    pub(super) const fn has_rested(&self, now: i128) -> bool {
        now - self.at >= UPDATE_PAUSE || now < self.at
    }

    /// How far it got when that was learnt last.
    pub(super) const fn evidence(&self) -> Evidence {
        self.news.evidence
    }
}
