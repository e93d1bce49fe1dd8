//! The sensor's kernel program, loaded like the agent does.

use anyhow::{Context as _, Result};
use sensor_core::time::TickClock;
use sensor_user::{
    config::Config,
    kernel::{object::KernelProgram, ticks::KernelClock},
    plan,
};

/// The kernel's clock.
pub(crate) fn clock() -> Result<TickClock> {
    Ok(KernelClock::of_this_kernel().context("read the kernel's tick length")?.ticks())
}

/// Loads the kernel program with a configuration.
pub(crate) fn load(config: &Config) -> Result<KernelProgram> {
    KernelProgram::load(&plan::load_plan(config, clock()?)).context("load the sensor's kernel program")
}
