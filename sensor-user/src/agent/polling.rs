//! When the ring is read again while records arrive: the kernel wakes the agent for the first record of a tick only.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::{POLL_INTERVAL, POLL_TIMEOUT};
use crate::kernel::poll_timer::PollTimer;

/// Time between the first looks behind a few records, and their number: what answers a packet comes soon.
const SOON: Duration = Duration::from_micros(50);
const LOOKS_SOON: u32 = 10;

/// More records at once than this are a flood, which is read in larger batches.
const FEW: usize = 64;

/// Looks at the ring while records arrive.
pub(super) struct Polling {
    timer: PollTimer,
    /// How long it goes on without a record.
    until: Instant,
    /// Looks that are to come soon.
    soon: u32,
}

impl Polling {
    /// Polling that is off.
    ///
    /// # Errors
    /// If the kernel gives no timer.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { timer: PollTimer::new()?, until: Instant::now(), soon: 0 })
    }

    /// The kernel woke the agent, which took so many records.
    ///
    /// # Errors
    /// If the timer cannot be set.
    pub(super) fn woken(&mut self, records: usize) -> io::Result<()> {
        self.until = Instant::now() + POLL_TIMEOUT;
        self.set(records.max(1))
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
        self.set(records)
    }

    fn set(&mut self, records: usize) -> io::Result<()> {
        self.soon = soon(self.soon, records);
        self.timer.set(if self.soon > 0 { SOON } else { POLL_INTERVAL })
    }

    /// Waits for the time of the next look; for ever while it is off.
    ///
    /// # Errors
    /// If the timer cannot be waited for.
    pub(super) async fn next(&self) -> io::Result<()> {
        self.timer.tick().await
    }
}

/// How many looks are to come soon after one that gave so many records.
const fn soon(left: u32, records: usize) -> u32 {
    match records {
        0 => left.saturating_sub(1),
        1..=FEW => LOOKS_SOON,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_soon_behind_a_few_records_and_seldom_in_a_flood_or_in_silence() {
        assert_eq!(soon(0, 1), LOOKS_SOON);
        assert_eq!([10, 4, 1, 0].map(|left| soon(left, 0)), [9, 3, 0, 0]);
        assert_eq!((soon(3, FEW), soon(3, FEW + 1)), (LOOKS_SOON, 0));
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
        // Ten looks in the first 500 µs at most, and then one each 500 µs.
        assert!((1..=60).contains(&looks), "{looks} looks");
        assert!(began.elapsed() >= POLL_TIMEOUT);
    }
}
