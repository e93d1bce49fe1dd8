//! Kernel ticks (jiffies) to wall-clock time.
//!
//! Slots carry the low 32 bits of jiffies: the one clock that costs the packet path nothing. jiffies advance with
//! CLOCK_MONOTONIC at the rate that the coarse clocks' resolution tells; where they stand is asked of the kernel program.

use nix::time::{ClockId, clock_getres, clock_gettime};

const NANOS: i128 = 1_000_000_000;

/// Converts between ticks and time.
#[derive(Clone, Copy, Debug)]
pub struct TickClock {
    tick_nanos: u64,
    /// Ticks at CLOCK_MONOTONIC zero.
    origin: u32,
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since the Unix epoch.
    pub unix_nanos: i128,
    /// Kernel ticks, low 32 bits.
    pub ticks: u32,
}

impl TickClock {
    /// The clock of this kernel.
    ///
    /// # Errors
    /// When the kernel has no coarse clock.
    pub fn of_this_kernel() -> std::io::Result<Self> {
        let resolution = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?;
        let nanos = resolution.tv_sec() as u64 * NANOS as u64 + resolution.tv_nsec() as u64;
        Ok(Self::with_tick(nanos.max(1)))
    }

    /// A clock whose tick lasts `tick_nanos` nanoseconds.
    #[must_use]
    pub const fn with_tick(tick_nanos: u64) -> Self {
        Self { tick_nanos, origin: 0 }
    }

    /// The same clock, set by a reading of the kernel's tick count that was taken just now.
    ///
    /// # Errors
    /// When the kernel does not tell the time.
    pub fn set_by(self, ticks: u32) -> std::io::Result<Self> {
        Ok(Self { origin: ticks.wrapping_sub(self.monotonic_ticks()?), ..self })
    }

    fn monotonic_ticks(self) -> std::io::Result<u32> {
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
        let nanos = monotonic.tv_sec() as u64 * NANOS as u64 + monotonic.tv_nsec() as u64;
        Ok((nanos / self.tick_nanos) as u32)
    }

    /// Ticks in `seconds`, at most what 32 bits can tell apart.
    #[must_use]
    pub fn ticks_in(self, seconds: u64) -> u32 {
        let ticks = seconds.saturating_mul(NANOS as u64) / self.tick_nanos;
        ticks.min(u64::from(u32::MAX / 2)) as u32
    }

    /// Now, on both clocks.
    ///
    /// # Errors
    /// When the kernel does not tell the time.
    pub fn now(self) -> std::io::Result<Moment> {
        let wall = clock_gettime(ClockId::CLOCK_REALTIME)?;
        let unix_nanos = i128::from(wall.tv_sec()) * NANOS + i128::from(wall.tv_nsec());
        Ok(Moment { unix_nanos, ticks: self.origin.wrapping_add(self.monotonic_ticks()?) })
    }

    /// The wall-clock time of `ticks`, told from `now`; a tick slightly in the future reads as now.
    #[must_use]
    pub fn unix_nanos(self, ticks: u32, now: Moment) -> i128 {
        let ago = now.ticks.wrapping_sub(ticks) as i32;
        now.unix_nanos - i128::from(ago.max(0)) * i128::from(self.tick_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: TickClock = TickClock::with_tick(4_000_000);

    #[test]
    fn ticks_are_told_from_now_across_the_wrap() {
        let now = Moment { unix_nanos: 1_000 * NANOS, ticks: 5 };
        assert_eq!(CLOCK.unix_nanos(5, now), 1_000 * NANOS);
        assert_eq!(CLOCK.unix_nanos(u32::MAX - 4, now), 1_000 * NANOS - 10 * 4_000_000);
        assert_eq!(CLOCK.unix_nanos(7, now), 1_000 * NANOS, "the future is now");
    }

    #[test]
    fn seconds_become_ticks_and_never_more_than_can_be_compared() {
        assert_eq!(CLOCK.ticks_in(1), 250);
        assert_eq!(CLOCK.ticks_in(u64::MAX), u32::MAX / 2);
    }

    #[test]
    fn a_clock_set_by_a_reading_agrees_with_it() {
        let clock = TickClock::of_this_kernel().unwrap().set_by(4_294_960_000).unwrap();
        assert!(clock.now().unwrap().ticks.wrapping_sub(4_294_960_000) < 3);
    }

    #[test]
    fn this_kernel_has_a_plausible_tick() {
        let clock = TickClock::of_this_kernel().unwrap();
        let hertz = clock.ticks_in(1);
        assert!((24..=1200).contains(&hertz), "{hertz} ticks a second");
    }
}
