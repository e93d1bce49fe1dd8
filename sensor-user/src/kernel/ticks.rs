//! Reads the clocks of this machine: wall clock, kernel ticks (jiffies) and the length of a tick.
//!
//! jiffies advance with CLOCK_MONOTONIC at the rate that the resolution of the coarse clocks shows; the kernel program
//! gives their present value.

use std::io;

use nix::time::{ClockId, clock_getres, clock_gettime};
use sensor_core::time::{Moment, TickClock, Timestamp};

const NANOS: u64 = 1_000_000_000;

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct KernelClock {
    ticks: TickClock,
    /// Ticks at CLOCK_MONOTONIC zero.
    origin: u32,
}

impl KernelClock {
    /// The clock of this kernel, not yet set.
    ///
    /// # Errors
    /// If the kernel has no coarse clock.
    pub fn of_this_kernel() -> io::Result<Self> {
        let resolution = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?;
        let nanos = resolution.tv_sec() as u64 * NANOS + resolution.tv_nsec() as u64;
        Ok(Self { ticks: TickClock::with_tick(nanos), origin: 0 })
    }

    /// The same clock, set by a present reading of the kernel's tick count.
    ///
    /// # Errors
    /// If the kernel does not give the time.
    pub fn set_by(self, ticks: u32) -> io::Result<Self> {
        Ok(Self { origin: ticks.wrapping_sub(self.monotonic_ticks()?), ..self })
    }

    /// Length of a tick.
    #[must_use]
    pub const fn ticks(self) -> TickClock {
        self.ticks
    }

    fn monotonic_ticks(self) -> io::Result<u32> {
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
        let nanos = monotonic.tv_sec() as u64 * NANOS + monotonic.tv_nsec() as u64;
        Ok((nanos / self.ticks.tick_nanos()) as u32)
    }

    /// The present time, on both clocks.
    ///
    /// # Errors
    /// If the kernel does not give the time.
    pub fn now(self) -> io::Result<Moment> {
        let wall = clock_gettime(ClockId::CLOCK_REALTIME)?;
        let at = Timestamp::from_unix_nanos(wall.tv_sec().saturating_mul(NANOS as i64) + wall.tv_nsec());
        Ok(Moment { at, ticks: self.origin.wrapping_add(self.monotonic_ticks()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_agrees_with_the_reading_it_was_set_by() {
        let clock = KernelClock::of_this_kernel().unwrap().set_by(4_294_960_000).unwrap();
        assert!(clock.now().unwrap().ticks.wrapping_sub(4_294_960_000) < 3);
    }

    #[test]
    fn this_kernel_has_a_plausible_tick() {
        let clock = KernelClock::of_this_kernel().unwrap().ticks();
        let hertz = clock.ticks_in(1);
        assert!((24..=1200).contains(&hertz), "{hertz} ticks a second");
    }
}
