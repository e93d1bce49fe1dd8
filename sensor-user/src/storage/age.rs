//! The age of documents, independent of the setting of the wall clock.
//!
//! About once an hour a mark records the sequence number of the last document, the steady time and the wall clock. A document up
//! to that number is at least as old as the mark. The database stores the marks as one value.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use sensor_core::terms::{Clocks, Reading, SteadyTime};
use serde::{Deserialize, Serialize};

use crate::{kernel::boot, wall_clock};

/// Key of the marks among the single values.
pub(super) const MARKS: &str = "age-marks";

const HOUR: i64 = 3_600_000_000_000;

/// Marks within the age that documents are kept for, at most.
const MAX_MARKS: i64 = 1_000;

/// The ages of documents.
pub(super) struct Ages {
    time: SteadyTime,
    marks: Vec<Mark>,
    /// The age up to which documents are kept, nanoseconds.
    kept: i64,
}

/// What was there at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// Steady time, nanoseconds.
    steady: i64,
    /// Wall clock, nanoseconds since the Unix epoch.
    wall: i64,
    /// Sequence number of the last document.
    sequence: u64,
}

/// What the database keeps.
#[derive(Serialize, Deserialize)]
struct Kept {
    reading: Option<Reading>,
    marks: Vec<Mark>,
}

/// What is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooOld {
    /// Documents up to this sequence number.
    pub(super) sequence: u64,
    /// Incidents that were active last at no time from here...
    pub(super) from: i64,
    /// ...to here: the wall clock has not said anything else since.
    pub(super) to: i64,
}

impl Ages {
    /// Continues from the stored marks.
    pub(super) fn restore(stored: Option<&[u8]>, days: u64, now: Clocks) -> Self {
        // Without marks, or with some that cannot be read, everything is as old as the first mark from now on.
        let stored = stored.and_then(|bytes| rmp_serde::from_slice::<Kept>(bytes).ok());
        let (reading, marks) = stored.map_or((None, vec![]), |kept| (kept.reading, kept.marks));
        let kept = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(24 * HOUR);
        Self { time: SteadyTime::of(reading, now), marks, kept }
    }

    /// Takes a reading of the clocks. Returns whether there is something new to store.
    pub(super) fn keep(&mut self, now: Clocks, sequence: u64) -> bool {
        let stepped = self.time.keep(now).is_some();
        let mark = Mark { steady: self.time.at(now.wall), wall: now.wall.unix_nanos(), sequence };
        let every = HOUR.max(self.kept / MAX_MARKS);
        let is_due = self.marks.last().is_none_or(|last| mark.steady - last.steady >= every);
        if is_due || stepped {
            self.marks.push(mark);
            let oldest = self.marks.iter().rposition(|one| mark.steady - one.steady >= self.kept);
            self.marks.drain(..oldest.unwrap_or(0));
            if self.marks.len() as i64 > 2 * MAX_MARKS {
                // A clock that is set all the time: half of the marks say it less exactly.
                let mut number = 0_usize;
                self.marks.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
            }
        }
        is_due || stepped
    }

    /// What is too old now, if anything is known to be.
    pub(super) fn too_old(&self, now: Clocks) -> Option<TooOld> {
        let steady = self.time.at(now.wall);
        let at = self.marks.iter().rposition(|mark| steady - mark.steady >= self.kept)?;
        let since = self.marks.get(at..)?;
        let walls = since.iter().map(|mark| mark.wall).chain([now.wall.unix_nanos()]);
        Some(TooOld { sequence: since.first()?.sequence, from: walls.clone().min()?, to: walls.max()? })
    }

    /// The value to store.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let kept = Kept { reading: self.time.reading(), marks: self.marks.clone() };
        // Plain numbers: this does not fail.
        rmp_serde::to_vec_named(&kept).unwrap_or_default()
    }
}

/// The clocks of this machine.
pub(super) fn clocks() -> Clocks {
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
    Clocks {
        wall: wall_clock::now(),
        since_boot: i64::try_from(since_boot.as_nanos()).unwrap_or(i64::MAX),
        boot: boot::id(),
    }
}

#[cfg(test)]
mod tests;
