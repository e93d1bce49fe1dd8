//! Retries: a failure is reported once, and again only if its reason changes.

use std::time::Duration;

use tokio::time::Instant;

/// Whether something failed, and when to try again.
pub(super) struct Retry {
    every: Duration,
    failure: Option<Failure>,
}

struct Failure {
    reason: String,
    next: Instant,
}

impl Retry {
    /// Without a failure; a failed action is tried again after this time.
    pub(super) const fn every(every: Duration) -> Self {
        Self { every, failure: None }
    }

    /// Whether it failed and is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.next <= now)
    }

    /// Whether it failed and is not due yet.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.failure.is_some() && !self.is_due(now)
    }

    /// Notes a failure; returns whether its reason is new.
    pub(super) fn failed(&mut self, reason: String, now: Instant) -> bool {
        let is_new = self.failure.as_ref().is_none_or(|failure| failure.reason != reason);
        self.failure = Some(Failure { reason, next: now + self.every });
        is_new
    }

    /// Notes a success.
    pub(super) fn succeeded(&mut self) {
        self.failure = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_a_failure_once_and_retries_after_the_delay() {
        let (start, minute) = (Instant::now(), Duration::from_secs(60));
        let mut retry = Retry::every(minute);
        assert!(!retry.is_due(start) && !retry.waits(start), "nothing failed");
        assert!(retry.failed("full".into(), start));
        assert!(!retry.is_due(start) && retry.waits(start));
        assert!(retry.is_due(start + minute) && !retry.waits(start + minute));
        assert!(!retry.failed("full".into(), start + minute), "known already");
        assert!(retry.waits(start + minute) && retry.failed("gone".into(), start + 2 * minute));
        retry.succeeded();
        assert!(!retry.is_due(start + 9 * minute));
        assert!(retry.failed("gone".into(), start), "it was well meanwhile");
    }
}
