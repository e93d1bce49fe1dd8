//! When the ring is read again while records arrive: the kernel wakes the agent for the first record of a tick only.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::{POLL_INTERVAL, POLL_TIMEOUT};
use crate::kernel::poll_timer::PollTimer;

/// Time until the first look behind a few records: what answers them comes soon. It doubles with each look that finds none, up to
/// [`POLL_INTERVAL`].
const FIRST_LOOK: Duration = Duration::from_micros(100);

/// More records at once than this are a flood, which is read in larger batches.
const FEW: usize = 64;

/// Looks at the ring while records arrive.
pub(super) struct Polling {
    timer: PollTimer,
    /// How long it goes on without a record.
    until: Instant,
    pause: Duration,
}

impl Polling {
    /// Polling that is off.
    ///
    /// # Errors
    /// If the kernel gives no timer.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { timer: PollTimer::new()?, until: Instant::now(), pause: POLL_INTERVAL })
    }

    /// The kernel woke the agent, which took so many records.
    ///
    /// # Errors
    /// If the timer cannot be set.
    pub(super) fn woken(&mut self, records: usize) -> io::Result<()> {
        self.until = Instant::now() + POLL_TIMEOUT;
        self.pause = pause(self.pause, records.max(1));
        self.timer.set(self.pause)
    }

    /// A look at the ring gave so many records.
    ///
    /// # Errors
    /// If the timer cannot be set or stopped.
    pub(super) fn looked(&mut self, records: usize) -> io::Result<()> {
        let now = Instant::now();
        if records > 0 {
            self.until = now + POLL_TIMEOUT;
        } else if now >= self.until {
            return self.timer.stop();
        }
        self.pause = pause(self.pause, records);
        self.timer.set(self.pause)
    }

    /// Waits for the time of the next look; for ever while it is off.
    ///
    /// # Errors
    /// If the timer cannot be waited for.
    pub(super) async fn next(&self) -> io::Result<()> {
        self.timer.tick().await
    }
}

/// Time until the next look, after one that gave so many records.
fn pause(last: Duration, records: usize) -> Duration {
    match records {
        0 => (2 * last).min(POLL_INTERVAL),
        1..=FEW => FIRST_LOOK,
        _ => POLL_INTERVAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_soon_behind_a_few_records_and_seldom_in_a_flood_or_in_silence() {
        let micros = |last: u64, records| pause(Duration::from_micros(last), records).as_micros();
        assert_eq!(micros(500, 1), 100);
        assert_eq!([100, 200, 400, 500].map(|last| micros(last, 0)), [200, 400, 500, 500]);
        assert_eq!((micros(100, FEW), micros(100, FEW + 1)), (100, 500));
    }

    #[tokio::test]
    async fn goes_on_for_a_while_without_records_and_then_stops() {
        let mut polling = Polling::new().unwrap();
        let began = Instant::now();
        polling.woken(1).unwrap();
        let mut looks = 0;
        while let Ok(next) = tokio::time::timeout(Duration::from_secs(1), polling.next()).await {
            next.unwrap();
            polling.looked(0).unwrap();
            looks += 1;
            assert!(looks < 1_000, "it does not stop");
        }
        // Three looks in the first 700 µs at most, and then one each 500 µs.
        assert!((1..=60).contains(&looks), "{looks} looks");
        assert!(began.elapsed() >= POLL_TIMEOUT);
    }
}
