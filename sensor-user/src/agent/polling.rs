//! When the ring is polled while records arrive: the kernel wakes the agent for the first record of a tick only.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::{POLL_INTERVAL, POLL_TIMEOUT};
use crate::kernel::poll_timer::PollTimer;

/// Time between the first polls after a few records, and their number: an answer to the packet may follow.
const SHORT_INTERVAL: Duration = Duration::from_micros(50);
const SHORT_POLLS: u32 = 10;

/// More records at once than this are a flood, which is read in larger batches.
const FEW: usize = 64;

/// Polls the ring while records arrive.
pub(super) struct Polling {
    timer: PollTimer,
    schedule: Schedule,
}

impl Polling {
    /// Polling that is off.
    ///
    /// # Errors
    /// If the kernel gives no timer.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { timer: PollTimer::new()?, schedule: Schedule::new(Instant::now()) })
    }

    /// The kernel woke the agent, which took so many records.
    ///
    /// # Errors
    /// If the timer cannot be set.
    pub(super) fn woken(&mut self, records: usize) -> io::Result<()> {
        let interval = self.schedule.woken(records, Instant::now());
        self.timer.set(interval)
    }

    /// A poll gave so many records.
    ///
    /// # Errors
    /// If the timer cannot be set or stopped.
    pub(super) fn polled(&mut self, records: usize) -> io::Result<()> {
        match self.schedule.polled(records, Instant::now()) {
            Some(interval) => self.timer.set(interval),
            None => self.timer.stop(),
        }
    }

    /// Waits for the time of the next poll; for ever while it is off.
    ///
    /// # Errors
    /// If the timer cannot be waited for.
    pub(super) async fn next(&self) -> io::Result<()> {
        self.timer.tick().await
    }
}

/// The times of the polls.
struct Schedule {
    /// The end of polling, if no record comes before.
    until: Instant,
    /// Polls that are still to come at the short interval.
    short_polls: u32,
}

impl Schedule {
    const fn new(now: Instant) -> Self {
        Self { until: now, short_polls: 0 }
    }

    /// The time until the first poll after the agent was woken and took so many records.
    fn woken(&mut self, records: usize, now: Instant) -> Duration {
        self.until = now + POLL_TIMEOUT;
        self.interval(records.max(1))
    }

    /// The time until the next poll after one that gave so many records; `None` if there is none.
    fn polled(&mut self, records: usize, now: Instant) -> Option<Duration> {
        if records > 0 {
            self.until = now + POLL_TIMEOUT;
        } else if now >= self.until {
            return None;
        }
        Some(self.interval(records))
    }

    const fn interval(&mut self, records: usize) -> Duration {
        self.short_polls = match records {
            0 => self.short_polls.saturating_sub(1),
            1..=FEW => SHORT_POLLS,
            _ => 0,
        };
        if self.short_polls > 0 { SHORT_INTERVAL } else { POLL_INTERVAL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_ten_times_at_the_short_interval_after_a_few_records_and_not_in_a_flood() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        let mut intervals = vec![schedule.woken(0, now)];
        intervals.extend((0..12).map_while(|_| schedule.polled(0, now)));
        assert_eq!(intervals[..10], [SHORT_INTERVAL; 10]);
        assert_eq!(intervals[10..], [POLL_INTERVAL; 3]);
        assert_eq!(schedule.polled(FEW, now), Some(SHORT_INTERVAL));
        assert_eq!(schedule.polled(FEW + 1, now), Some(POLL_INTERVAL));
        assert_eq!(schedule.polled(0, now), Some(POLL_INTERVAL), "a flood ends the short polls");
    }

    #[test]
    fn polls_until_the_timeout_passes_without_a_record() {
        let began = Instant::now();
        let almost = POLL_TIMEOUT - Duration::from_nanos(1);
        let mut schedule = Schedule::new(began);
        assert_eq!(schedule.polled(0, began), None, "it is off at first");
        schedule.woken(1, began);
        assert!(schedule.polled(0, began + almost).is_some());
        assert!(schedule.polled(1, began + almost).is_some());
        let last = began + almost + POLL_TIMEOUT;
        assert!(
            schedule.polled(0, last - Duration::from_nanos(1)).is_some(),
            "a record begins the time anew"
        );
        assert_eq!(schedule.polled(0, last), None);
        assert!(schedule.polled(1, last).is_some(), "a late record begins it again");
    }
}
