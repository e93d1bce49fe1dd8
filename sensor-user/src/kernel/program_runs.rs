//! The cost of the kernel programs: how often each ran and for how long, as the kernel measures it.

use std::{fs, time::Duration};

use aya::programs::{Program, ProgramInfo};

use super::{object::program, programs::Programs};

/// Whether the kernel measures programs (`sysctl kernel.bpf_stats_enabled=1`).
const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What one program has cost since it was loaded, as far as the kernel measured it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRuns {
    /// Its name in the object.
    pub name: &'static str,
    /// Packets that it ran for.
    pub count: u64,
    /// Time that it ran.
    pub time: Duration,
}

/// Whether the kernel measures programs now.
pub(super) fn are_measured() -> bool {
    fs::read_to_string(SWITCH).is_ok_and(|value| value.trim() == "1")
}

/// The programs of the packet path that are loaded.
pub(super) fn of(programs: &Programs) -> Vec<ProgramRuns> {
    program::PACKET_PATH
        .iter()
        .filter_map(|name| {
            let info = info(programs.get(name)?)?;
            Some(ProgramRuns { name, count: info.run_count(), time: info.run_time() })
        })
        .collect()
}

fn info(program: &Program) -> Option<ProgramInfo> {
    match program {
        Program::Xdp(program) => program.info().ok(),
        Program::SchedClassifier(program) => program.info().ok(),
        _ => None,
    }
}
