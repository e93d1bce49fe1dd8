//! Makes the kernel measure the cost of BPF programs.

use std::{
    fs,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};

/// The switch is one for the whole machine.
static SWITCH: Mutex<()> = Mutex::new(());

const FILE: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The kernel measures programs, or does not, until this is dropped.
pub(crate) struct KernelMeasures {
    before: String,
    _alone: MutexGuard<'static, ()>,
}

impl KernelMeasures {
    pub(crate) fn set(is_on: bool) -> Result<Self> {
        let alone = SWITCH.lock().unwrap_or_else(PoisonError::into_inner);
        let before = fs::read_to_string(FILE).context(FILE)?;
        let measures = Self { before, _alone: alone };
        measures.switch(is_on)?;
        Ok(measures)
    }

    pub(crate) fn switch(&self, is_on: bool) -> Result<()> {
        fs::write(FILE, if is_on { "1" } else { "0" }).context(FILE)
    }
}

impl Drop for KernelMeasures {
    fn drop(&mut self) {
        let _ = fs::write(FILE, self.before.trim());
    }
}
