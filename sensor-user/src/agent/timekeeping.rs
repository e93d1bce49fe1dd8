//! The time for the stages, and readings of the machine's clocks.

use anyhow::{Context as _, Result};
use sensor_core::{terms::Clocks, time::Moment};

use super::Sensor;
use crate::{enforcement::Now, kernel::ticks::KernelClock};

/// A reading of all clocks; `boot` identifies the boot.
///
/// # Errors
/// If the kernel does not give the time.
pub(super) fn read(clock: KernelClock, boot: Option<u64>) -> Result<(Moment, Clocks)> {
    let now = Now::of(clock).context("cannot read the clock")?;
    let since_boot = i64::try_from(now.since_boot.as_nanos()).unwrap_or(i64::MAX);
    Ok((now.moment, Clocks { wall: now.moment.at, since_boot, boot }))
}

impl Sensor {
    /// The present time. A step of the wall clock is noticed first.
    pub(super) fn now(&mut self) -> Result<Moment> {
        let (now, clocks) = read(self.clock, self.boot)?;
        self.pipeline.keep_time(clocks, now);
        Ok(now)
    }
}
