//! The sensor's kernel program and core, set up like the agent does.

use anyhow::{Context as _, Result};
use sensor_core::{Core, Start, process::NoProcesses, terms::KnownTerms, time::TickClock};
use sensor_dissect::FingerprintKey;
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

/// A core with the default configuration that knows nothing yet.
pub(crate) fn core() -> Result<Core> {
    core_of(&Config::default())
}

/// A core with this configuration that knows nothing yet.
pub(crate) fn core_of(config: &Config) -> Result<Core> {
    let start = Start {
        settings: config.core_settings(),
        clock: clock()?,
        fingerprint_key: FingerprintKey::new([7; 32]),
        terms: KnownTerms::in_memory(&config.detection.windows),
        incidents: vec![],
        connections: vec![],
        started: None,
    };
    Ok(Core::new(start, Box::new(NoProcesses)))
}
