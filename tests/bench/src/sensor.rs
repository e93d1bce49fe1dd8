//! The sensor's kernel program, loaded as the agent loads it.

use anyhow::{Context as _, Result};
use sensor_user::{
    config::Config,
    kernel::{object::KernelProgram, ticks::TickClock},
    plan,
};

/// Loads the kernel program with a configuration.
pub(crate) fn load(config: &Config) -> Result<KernelProgram> {
    let clock = TickClock::of_this_kernel().context("read the kernel's tick length")?;
    KernelProgram::load(&plan::load_plan(config, clock)).context("load the sensor's kernel program")
}
