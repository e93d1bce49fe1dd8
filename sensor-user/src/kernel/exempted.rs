//! Counts of exempt packets that the kernel let pass, by exemption.

use aya::maps::{Map, MapData, MapError, PerCpuArray};
use sensor_common::prefix::EXEMPTION_COUNTERS;

use super::object::LoadError;

/// Reads the kernel's counts for each exemption. Each view has its own numbers, so that a packet in progress while sets are
/// switched is counted for the right exemption.
pub struct ExemptedPackets {
    map: PerCpuArray<MapData, u64>,
    /// The counts at the last read.
    taken: Vec<u64>,
}

impl ExemptedPackets {
    /// `counted` says that an earlier run has taken what is there.
    pub(super) fn open(map: Map, counted: bool) -> Result<Self, LoadError> {
        let map = PerCpuArray::try_from(map)
            .map_err(|source| LoadError::Write { what: "the map handle of exempt packets".into(), source })?;
        let mut opened = Self { map, taken: vec![0; 2 * EXEMPTION_COUNTERS as usize] };
        if counted {
            for number in 0..2 * EXEMPTION_COUNTERS {
                let failed =
                    |source| LoadError::Write { what: "the counts of exempt packets".into(), source };
                let _ = opened.take(0, number).map_err(failed)?;
            }
        }
        Ok(opened)
    }

    /// Packets of exemption `number` in `view` since the last call, summed over the CPUs (one system call).
    ///
    /// # Errors
    /// The kernel's error, which a loaded program does not cause.
    pub fn take(&mut self, view: u32, number: u32) -> Result<u64, MapError> {
        let at = view * EXEMPTION_COUNTERS + number;
        let now: u64 = self.map.get(&at, 0)?.iter().sum();
        let before = std::mem::replace(&mut self.taken[at as usize], now);
        Ok(now.saturating_sub(before))
    }
}
