//! Points in time as input of the core: wall-clock time and the kernel's ticks.
//!
//! Nothing here reads a clock.

use std::{
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// A moment of the wall clock: nanoseconds since the Unix epoch. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment, in the year 2262.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From seconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Time since `earlier`; zero if that is later, such as after the clock was set back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The distance between two moments, whichever comes first.
    #[must_use]
    pub const fn distance(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock.
    pub at: Timestamp,
    /// Kernel ticks, low 32 bits.
    pub ticks: u32,
}

/// Converts kernel ticks (jiffies) to wall-clock time. Slots carry the low 32 bits of jiffies, the one clock that costs the
/// packet path nothing.
#[derive(Clone, Copy, Debug)]
pub struct TickClock {
    tick: Duration,
}

impl TickClock {
    /// A clock whose tick lasts `nanos` nanoseconds, at least one.
    #[must_use]
    pub const fn with_tick(nanos: u64) -> Self {
        Self { tick: Duration::from_nanos(if nanos == 0 { 1 } else { nanos }) }
    }

    /// How long a tick lasts, nanoseconds.
    #[must_use]
    pub const fn tick_nanos(self) -> u64 {
        self.tick.as_nanos() as u64
    }

    /// Ticks in `seconds`, at most half the range of 32 bits, so that they can be compared.
    #[must_use]
    pub fn ticks_in(self, seconds: u64) -> u32 {
        let ticks = seconds.saturating_mul(1_000_000_000) / self.tick_nanos();
        ticks.min(u64::from(u32::MAX / 2)) as u32
    }

    /// The wall-clock time of `ticks`, counted back from `now`; a tick slightly in the future is now.
    #[must_use]
    pub fn timestamp(self, ticks: u32, now: Moment) -> Timestamp {
        now.at - self.age(ticks, now)
    }

    /// Time from `ticks` until `now`, in whole ticks; zero for a tick slightly in the future.
    #[must_use]
    pub fn age(self, ticks: u32, now: Moment) -> Duration {
        let ago = now.ticks.wrapping_sub(ticks) as i32;
        self.tick.saturating_mul(ago.max(0).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: TickClock = TickClock::with_tick(4_000_000);

    #[test]
    fn counts_ticks_back_from_now_across_the_wrap() {
        let now = Moment { at: Timestamp::from_unix_seconds(1_000), ticks: 5 };
        assert_eq!(CLOCK.timestamp(5, now), now.at);
        assert_eq!(CLOCK.timestamp(u32::MAX - 4, now), now.at - Duration::from_millis(40));
        assert_eq!(CLOCK.timestamp(7, now), now.at, "the future is now");
    }

    #[test]
    fn seconds_become_at_most_the_comparable_ticks() {
        assert_eq!(CLOCK.ticks_in(1), 250);
        assert_eq!(CLOCK.ticks_in(u64::MAX), u32::MAX / 2);
    }

    #[test]
    fn clock_set_back_gives_no_negative_time() {
        let (early, late) = (Timestamp::from_unix_seconds(1), Timestamp::from_unix_seconds(3));
        assert_eq!((late.since(early), early.since(late)), (Duration::from_secs(2), Duration::ZERO));
        assert_eq!(early.distance(late), Duration::from_secs(2));
        assert_eq!(Timestamp::MAX + Duration::from_secs(9), Timestamp::MAX);
    }
}
