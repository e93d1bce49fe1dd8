//! Time between two attempts at a destination that fails.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// The first pause.
const FIRST: Duration = Duration::from_millis(200);

/// Longest pause that a destination may ask for.
const MAX_ASKED: Duration = Duration::from_secs(300);

/// Doubles with each failure up to a bound. Up to half of a pause is random, so that sensors do not return all at once.
#[derive(Debug)]
pub(super) struct Backoff {
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses of at most this time.
    pub(super) fn up_to(most: Duration) -> Self {
        Self { most, next: FIRST.min(most) }
    }

    /// The pause after a failure. A destination that asks for a longer one gets it, within reason.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let own = self.next;
        self.next = (own * 2).min(self.most);
        let random = RandomState::new().hash_one(0) % 1_000;
        let jittered = own / 2 + own.mul_f64(random as f64 / 2_000.0);
        asked.unwrap_or_default().min(MAX_ASKED).max(jittered)
    }

    /// It succeeded.
    pub(super) fn reset(&mut self) {
        self.next = FIRST.min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_bound() {
        let mut backoff = Backoff::up_to(Duration::from_secs(30));
        let pauses: Vec<_> = (0..20).map(|_| backoff.pause(None)).collect();
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST, "{pauses:?}");
        assert!(pauses[19] >= Duration::from_secs(15) && pauses[19] <= Duration::from_secs(30), "{pauses:?}");
        backoff.reset();
        assert!(backoff.pause(None) <= FIRST);
    }

    #[test]
    fn destination_may_ask_for_a_longer_pause() {
        let mut backoff = Backoff::up_to(Duration::from_secs(30));
        assert_eq!(backoff.pause(Some(Duration::from_secs(60))), Duration::from_secs(60));
        assert_eq!(backoff.pause(Some(Duration::from_secs(86_400))), MAX_ASKED);
    }
}
