//! The time by which terms grow old and learning ends: that of the wall clock, without the jumps of it.
//!
//! A machine without a clock of its own boots in 1970, and minutes later it is 2026: nobody's destinations are 56 years older
//! for it. While the agent runs, time passes as CLOCK_BOOTTIME does, which nobody sets and which goes on while the machine is
//! suspended. The same holds over a restart in the same boot. Times are arguments; what is saved is one reading of all clocks.
//!
//! What cannot be known: how long a machine was off. The wall clock is believed there, if it goes forward and was ever set.
//! If it went back, no time is taken to have passed, until it is set past where it was. Neither is any where the saved
//! reading is of a clock that nobody had set. A wall clock that is wrong by some days over a reboot is believed, and of a
//! virtual machine that is stopped and goes on, the time in between is lost: its CLOCK_BOOTTIME stood still as well.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const SECOND: i64 = 1_000_000_000;

/// A wall clock that says less was never set: 2020-01-01, before there was this program.
const WAS_SET: i64 = 1_577_836_800 * SECOND;

/// A difference that is reported: less is what slewing and rounding come to.
const NOTABLE: i64 = 60 * SECOND;

/// What the clocks of the machine say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// Wall clock.
    pub wall: Timestamp,
    /// CLOCK_BOOTTIME, nanoseconds.
    pub since_boot: i64,
    /// Which boot that is; `None` if the kernel does not tell.
    pub boot: Option<u64>,
}

/// The wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it would say now if it had not been.
    pub from: Timestamp,
    /// What it says.
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
    /// By how much the wall clock is ahead of the steady time.
    const fn ahead(&self) -> i64 {
        wall(self.clocks) - self.steady
    }
}

/// What the wall clock says, nanoseconds since the Unix epoch.
const fn wall(clocks: Clocks) -> i64 {
    clocks.wall.unix_nanos()
}

/// The steady time.
#[derive(Debug, Default)]
pub(super) struct SteadyTime {
    /// By how much the wall clock is ahead of it.
    ahead: i64,
    /// The same when a step was last reported.
    reported: i64,
    latest: Option<Reading>,
    /// What was saved before this boot, while the wall clock says less than it did then.
    before: Option<Reading>,
}

impl SteadyTime {
    /// Begins with the wall clock, or goes on from what was saved.
    pub(super) fn of(saved: Option<Reading>, now: Clocks) -> Self {
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

    /// Goes on to `now`; gives the step of the wall clock that came to light.
    pub(super) fn keep(&mut self, now: Clocks) -> Option<Step> {
        let latest = self.latest?;
        let passed = (now.since_boot - latest.clocks.since_boot).max(0);
        let (expected, mut steady) = (wall(latest.clocks) + passed, latest.steady + passed);
        if let Some(before) = self.before.take_if(|before| wall(now) >= wall(before.clocks)) {
            // The clock is set: now it can be told for how long the machine was off.
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

    /// The steady time when the wall clock says `wall`.
    pub(super) const fn at(&self, wall: Timestamp) -> i64 {
        wall.unix_nanos() - self.ahead
    }

    /// What the wall clock says at a steady time, unless it is set in between.
    pub(super) const fn wall(&self, steady: i64) -> Timestamp {
        Timestamp::from_unix_nanos(steady + self.ahead)
    }

    /// What is to be saved.
    pub(super) const fn reading(&self) -> Option<Reading> {
        self.latest
    }
}

#[cfg(test)]
mod tests;
