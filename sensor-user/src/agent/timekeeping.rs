//! The time that stages are given, and what the clocks of the machine say beside it.

use anyhow::{Context as _, Result};

use super::Sensor;
use crate::{enforcement::Now, kernel::ticks::{Moment, TickClock}, terms::Clocks};

/// All clocks, of which `boot` says which boot they are of.
///
/// # Errors
/// When the kernel does not tell the time.
pub(super) fn read(clock: TickClock, boot: Option<u64>) -> Result<(Moment, Clocks)> {
    let now = Now::of(clock).context("cannot read the clock")?;
    let clocks =
        Clocks { wall: now.moment.unix_nanos, since_boot: now.since_boot.as_nanos().cast_signed(), boot };
    Ok((now.moment, clocks))
}

impl Sensor {
    /// Now. Whatever goes by it is asked after a step of the wall clock was noticed, never before.
    pub(super) fn now(&mut self) -> Result<Moment> {
        let (now, clocks) = read(self.clock, self.boot)?;
        self.pipeline.keep_time(clocks);
        Ok(now)
    }
}
