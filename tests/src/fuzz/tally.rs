//! The results of a run of frames.

use std::{collections::BTreeMap, fmt};

use sensor_common::counter::Counter;

/// Counts of tested frames and their outcomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames on the host: all.
    pub host: u64,
    /// Frames that the kernel's program processed too.
    pub kernel: u64,
    /// Frames that the oracle decided too.
    pub oracle: u64,
    /// Frames that the oracle could not decide, by reason.
    pub unsure: BTreeMap<&'static str, u64>,
    /// Unwatched frames.
    pub foreign: u64,
    /// The counters, of all rounds together.
    pub counted: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Adds the counters of a round.
    pub fn count(&mut self, counters: impl Fn(Counter) -> u64) {
        for counter in Counter::ALL {
            let by = counters(*counter);
            if by != 0 {
                *self.counted.entry(counter.name()).or_default() += by;
            }
        }
    }

    /// Adds another round.
    pub fn add(&mut self, other: &Self) {
        self.host += other.host;
        self.kernel += other.kernel;
        self.oracle += other.oracle;
        self.foreign += other.foreign;
        for (reason, times) in &other.unsure {
            *self.unsure.entry(reason).or_default() += times;
        }
        for (name, times) in &other.counted {
            *self.counted.entry(name).or_default() += times;
        }
    }

    /// The value of a counter.
    #[must_use]
    pub fn met(&self, counter: Counter) -> u64 {
        self.counted.get(counter.name()).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>10} frames judged by the host engine", self.host)?;
        writeln!(f, "{:>10} by the kernel's program", self.kernel)?;
        writeln!(f, "{:>10} by the oracle; of the others it could not tell:", self.oracle)?;
        for (reason, times) in &self.unsure {
            writeln!(f, "{times:>10}   {reason}")?;
        }
        writeln!(f, "{:>10} are none of ours; the others, by counter:", self.foreign)?;
        for (name, times) in &self.counted {
            writeln!(f, "{times:>10}   {name}")?;
        }
        Ok(())
    }
}
