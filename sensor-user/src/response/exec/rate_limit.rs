//! A bounded number of starts in a span of time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The latest starts, at most as many as are allowed in the span.
#[derive(Debug)]
pub(super) struct RateLimit {
    most: usize,
    span: Duration,
    starts: VecDeque<Instant>,
}

impl RateLimit {
    /// At most `most` starts in any `span`.
    pub(super) const fn new(most: usize, span: Duration) -> Self {
        Self { most, span, starts: VecDeque::new() }
    }

    /// How long the next start has to wait.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        match self.starts.front() {
            Some(first) if self.starts.len() == self.most => {
                (*first + self.span).saturating_duration_since(now)
            }
            _ => Duration::ZERO,
        }
    }

    /// Notes a start.
    pub(super) fn note(&mut self, now: Instant) {
        if self.starts.len() == self.most {
            self.starts.pop_front();
        }
        self.starts.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_waits_until_the_first_one_is_a_minute_old() {
        let minute = Duration::from_secs(60);
        let (mut limit, begin) = (RateLimit::new(2, minute), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        limit.note(at(0));
        assert_eq!(limit.wait(at(1)), Duration::ZERO);
        limit.note(at(10));
        assert_eq!(limit.wait(at(20)), Duration::from_secs(40));
        assert_eq!(limit.wait(at(60)), Duration::ZERO);
        limit.note(at(60));
        assert_eq!(limit.wait(at(61)), Duration::from_secs(9));
    }
}
