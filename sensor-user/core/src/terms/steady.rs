//! The time by which terms age and learning ends: the wall clock without its jumps.
//!
//! A machine without a battery clock boots in 1970, and minutes later it is 2026: known destinations must not age by 56 years.
//! While the agent runs, time passes like CLOCK_BOOTTIME, which nobody sets and which runs while the machine is
//! suspended. The same is true over a restart in the same boot. Times are arguments; one reading of all clocks is saved.
//!
//! The time for which a machine was off cannot be known. The wall clock decides, if it goes forward and was ever set.
//! If it went back, no time passes until it is set past its earlier value. The same is true if the saved
//! reading is from a clock that was never set. A wall clock that is wrong by some days over a reboot is believed. For a
//! virtual machine that is paused and resumed, the pause is lost: its CLOCK_BOOTTIME stood still as well.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const SECOND: i64 = 1_000_000_000;

/// A wall clock before this was never set: 2020-01-01, before this program existed.
const WAS_SET: i64 = 1_577_836_800 * SECOND;

/// Smallest difference to report: slewing and rounding cause less.
const NOTABLE: i64 = 60 * SECOND;

/// The clocks of the machine at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// Wall clock.
    pub wall: Timestamp,
    /// CLOCK_BOOTTIME, nanoseconds.
    pub since_boot: i64,
    /// Identifier of the boot; `None` if the kernel does not give it.
    pub boot: Option<u64>,
}

/// The wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The time without the step.
    pub from: Timestamp,
    /// The present time.
    pub to: Timestamp,
}

/// The clocks at one moment, and the steady time then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The clocks.
    pub clocks: Clocks,
    /// The steady time, nanoseconds.
    pub steady: i64,
}

impl Reading {
    /// Offset of the wall clock to the steady time.
    const fn ahead(&self) -> i64 {
        wall(self.clocks) - self.steady
    }
}

/// Wall clock, nanoseconds since the Unix epoch.
const fn wall(clocks: Clocks) -> i64 {
    clocks.wall.unix_nanos()
}

/// The steady time.
#[derive(Debug, Default)]
pub struct SteadyTime {
    /// Offset of the wall clock to it.
    ahead: i64,
    /// The same when a step was last reported.
    reported: i64,
    latest: Option<Reading>,
    /// The state saved before this boot, while the wall clock is behind it.
    before: Option<Reading>,
}

impl SteadyTime {
    /// Starts with the wall clock, or continues from the saved state.
    #[must_use]
    pub fn of(saved: Option<Reading>, now: Clocks) -> Self {
        let saved = saved.unwrap_or(Reading { clocks: now, steady: wall(now) });
        let then = saved.clocks;
        let same_boot = now.boot.is_some() && now.boot == then.boot;
        let passed = if same_boot {
            now.since_boot - then.since_boot
        } else if wall(then) < WAS_SET && wall(now) >= WAS_SET {
            0
        } else {
            wall(now) - wall(then)
        };
        let latest = Reading { clocks: now, steady: saved.steady + passed.max(0) };
        Self {
            ahead: latest.ahead(),
            reported: saved.ahead(),
            latest: Some(latest),
            before: (!same_boot && wall(now) < wall(then) && wall(then) >= WAS_SET).then_some(saved),
        }
    }

    /// Advances to `now`; returns the step of the wall clock, if one is detected.
    pub fn keep(&mut self, now: Clocks) -> Option<Step> {
        let latest = self.latest?;
        let passed = (now.since_boot - latest.clocks.since_boot).max(0);
        let (expected, mut steady) = (wall(latest.clocks) + passed, latest.steady + passed);
        if let Some(before) = self.before.take_if(|before| wall(now) >= wall(before.clocks)) {
            // The clock is set: now the time for which the machine was off is known.
            steady = steady.max(before.steady + wall(now) - wall(before.clocks));
        }
        let latest = Reading { clocks: now, steady };
        self.latest = Some(latest);
        self.ahead = latest.ahead();
        let by = self.ahead - self.reported;
        let at_once = (wall(now) - expected).abs() > NOTABLE;
        (at_once || by.abs() > NOTABLE).then(|| {
            self.reported = self.ahead;
            Step {
                from: Timestamp::from_unix_nanos(if at_once { expected } else { wall(now) - by }),
                to: now.wall,
            }
        })
    }

    /// The steady time at the wall-clock time `wall`.
    #[must_use]
    pub const fn at(&self, wall: Timestamp) -> i64 {
        wall.unix_nanos() - self.ahead
    }

    /// The wall-clock time at a steady time, unless the clock is set in between.
    pub(super) const fn wall(&self, steady: i64) -> Timestamp {
        Timestamp::from_unix_nanos(steady + self.ahead)
    }

    /// The state to save.
    #[must_use]
    pub const fn reading(&self) -> Option<Reading> {
        self.latest
    }
}

#[cfg(test)]
mod tests;
