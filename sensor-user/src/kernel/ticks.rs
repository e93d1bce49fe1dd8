//! Reads the clocks of this machine: wall clock, kernel ticks (jiffies) and the length of a tick.
//!
//! jiffies advance with CLOCK_MONOTONIC at the rate that the resolution of the coarse clocks shows; the kernel program
//! gives their present value.

use std::io;

use nix::time::{ClockId, clock_getres, clock_gettime};
use sensor_core::time::{Moment, TickClock, Timestamp};

const NANOS: u64 = 1_000_000_000;

/// How often two clocks are read again at most, if they could not be read at the same time.
const MAX_REPEATED: usize = 20;

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

    /// The same clock, set by readings of the kernel's tick count.
    ///
    /// # Errors
    /// If the kernel does not give the time or its tick count.
    pub fn set_by(self, mut ticks: impl FnMut() -> anyhow::Result<u32>) -> anyhow::Result<Self> {
        let (ticks, nanos) = self.together(&mut ticks)?;
        Ok(Self { origin: ticks.wrapping_sub(self.ticks_at(nanos)), ..self })
    }

    /// Length of a tick.
    #[must_use]
    pub const fn ticks(self) -> TickClock {
        self.ticks
    }

    /// The present time, on both clocks.
    ///
    /// # Errors
    /// If the kernel does not give the time.
    pub fn now(self) -> io::Result<Moment> {
        let (at, nanos) = self.together(&mut || {
            let wall = clock_gettime(ClockId::CLOCK_REALTIME)?;
            let nanos = wall.tv_sec().saturating_mul(NANOS as i64) + wall.tv_nsec();
            io::Result::Ok(Timestamp::from_unix_nanos(nanos))
        })?;
        Ok(Moment { at, ticks: self.origin.wrapping_add(self.ticks_at(nanos)) })
    }

    /// Reads a clock together with CLOCK_MONOTONIC, nanoseconds. A pause of this thread between the two would date everything wrongly:
    /// if they are more than a tick apart, they are read again, and the pair that was read fastest is taken.
    fn together<T, E: From<io::Error>>(self, read: &mut impl FnMut() -> Result<T, E>) -> Result<(T, u64), E> {
        let mut attempt = || -> Result<(u64, T, u64), E> {
            let before = monotonic()?;
            let value = read()?;
            let after = monotonic()?;
            Ok((after.saturating_sub(before), value, after))
        };
        let mut fastest = attempt()?;
        for _ in 0..MAX_REPEATED {
            if fastest.0 <= self.ticks.tick_nanos() {
                break;
            }
            let again = attempt()?;
            if again.0 < fastest.0 {
                fastest = again;
            }
        }
        Ok((fastest.1, fastest.2))
    }

    const fn ticks_at(self, nanos: u64) -> u32 {
        (nanos / self.ticks.tick_nanos()) as u32
    }
}

fn monotonic() -> io::Result<u64> {
    let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(monotonic.tv_sec() as u64 * NANOS + monotonic.tv_nsec() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn clock_agrees_with_the_reading_it_was_set_by() {
        let clock = KernelClock::of_this_kernel().unwrap().set_by(|| anyhow::Ok(4_294_960_000)).unwrap();
        assert!(clock.now().unwrap().ticks.wrapping_sub(4_294_960_000) < 3);
    }

    #[test]
    fn pause_while_the_ticks_are_read_does_not_shift_the_clock() {
        let mut tick = 1_000;
        let mut readings = 0;
        let read = || {
            readings += 1;
            // The first reading is ten ticks old when the other clock is read.
            if readings == 1 {
                std::thread::sleep(Duration::from_millis(40));
            } else {
                tick = 1_010;
            }
            anyhow::Ok(tick)
        };
        let clock = KernelClock::of_this_kernel().unwrap().set_by(read).unwrap();
        assert!(readings > 1);
        assert!(clock.now().unwrap().ticks.wrapping_sub(1_010) < 3);
    }

    #[test]
    fn this_kernel_has_a_plausible_tick() {
        let clock = KernelClock::of_this_kernel().unwrap().ticks();
        let hertz = clock.ticks_in(1);
        assert!((24..=1200).contains(&hertz), "{hertz} ticks a second");
    }
}
