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

use super::SECOND;

/// A wall clock that says less was never set: 2020-01-01, before there was this program.
const WAS_SET: i128 = 1_577_836_800 * SECOND;

/// A difference that is told: less is what slewing and rounding come to.
const NOTABLE: i128 = 60 * SECOND;

/// What the clocks of the machine say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Wall clock, nanoseconds since the Unix epoch.
    pub wall: i128,
    /// CLOCK_BOOTTIME, nanoseconds.
    pub since_boot: i128,
    /// Which boot that is; `None` if the kernel does not tell.
    pub boot: Option<u64>,
}

/// The wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it would say now if it had not been, nanoseconds since the Unix epoch.
    pub from: i128,
    /// What it says.
    pub to: i128,
}

/// The clocks at one moment, and the steady time then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) clocks: Clocks,
    pub(super) steady: i128,
}

impl Reading {
    /// By how much the wall clock is ahead of the steady time.
    const fn ahead(&self) -> i128 {
        self.clocks.wall - self.steady
    }
}

/// The steady time.
#[derive(Debug, Default)]
pub(super) struct SteadyTime {
    /// By how much the wall clock is ahead of it.
    ahead: i128,
    /// The same as it was told last.
    told: i128,
    latest: Option<Reading>,
    /// What was saved before this boot, while the wall clock says less than it did then.
    before: Option<Reading>,
}

impl SteadyTime {
    /// Begins with the wall clock, or goes on from what was saved.
    pub(super) fn of(saved: Option<Reading>, now: Clocks) -> Self {
        let saved = saved.unwrap_or(Reading { clocks: now, steady: now.wall });
        let then = saved.clocks;
        let same_boot = now.boot.is_some() && now.boot == then.boot;
        let passed = if same_boot {
            now.since_boot - then.since_boot
        } else if then.wall < WAS_SET && now.wall >= WAS_SET {
            0
        } else {
            now.wall - then.wall
        };
        let latest = Reading { clocks: now, steady: saved.steady + passed.max(0) };
        Self {
            ahead: latest.ahead(),
            told: saved.ahead(),
            latest: Some(latest),
            before: (!same_boot && now.wall < then.wall && then.wall >= WAS_SET).then_some(saved),
        }
    }

    /// As far as it was saved, to go through another time: it keeps no time of its own.
    pub(super) fn as_saved(saved: Option<Reading>) -> Self {
        let ahead = saved.map_or(0, |reading| reading.ahead());
        Self { ahead, told: ahead, latest: None, before: None }
    }

    /// Goes on to `now`; gives the step of the wall clock that came to light.
    pub(super) fn keep(&mut self, now: Clocks) -> Option<Step> {
        let latest = self.latest?;
        let passed = (now.since_boot - latest.clocks.since_boot).max(0);
        let (expected, mut steady) = (latest.clocks.wall + passed, latest.steady + passed);
        if let Some(before) = self.before.take_if(|before| now.wall >= before.clocks.wall) {
            // The clock is set: now it can be told for how long the machine was off.
            steady = steady.max(before.steady + now.wall - before.clocks.wall);
        }
        let latest = Reading { clocks: now, steady };
        self.latest = Some(latest);
        self.ahead = latest.ahead();
        let by = self.ahead - self.told;
        let at_once = (now.wall - expected).abs() > NOTABLE;
        (at_once || by.abs() > NOTABLE).then(|| {
            self.told = self.ahead;
            Step { from: if at_once { expected } else { now.wall - by }, to: now.wall }
        })
    }

    /// The steady time when the wall clock says `wall`.
    pub(super) const fn at(&self, wall: i128) -> i128 {
        wall - self.ahead
    }

    /// What the wall clock says at a steady time, unless it is set in between.
    pub(super) const fn wall(&self, steady: i128) -> i128 {
        steady + self.ahead
    }

    /// What is to be saved.
    pub(super) const fn reading(&self) -> Option<Reading> {
        self.latest
    }
}

#[cfg(test)]
mod tests;
