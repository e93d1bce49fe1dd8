//! The kernel program's counters.

use aya::maps::{Map, MapData, MapError, PerCpuArray};
use sensor_common::counter::Counter;

use super::object::LoadError;

/// Wrapper that lets aya read a CPU's counters.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct PerCpu([u64; Counter::WORDS]);

// SAFETY: an array of integers: any bytes are a value, no padding.
unsafe impl aya::Pod for PerCpu {}

/// Reads the counters of all CPUs.
pub struct KernelCounters {
    map: PerCpuArray<MapData, PerCpu>,
}

/// Counter values at one moment, summed over the CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterValues {
    totals: [u64; Counter::COUNT],
    kept_by_cpu: Vec<u64>,
}

impl KernelCounters {
    pub(super) fn open(map: Map) -> Result<Self, LoadError> {
        let map = PerCpuArray::try_from(map)
            .map_err(|source| LoadError::Write { what: "the counters' map handle".into(), source })?;
        Ok(Self { map })
    }

    /// Reads all counters (one system call).
    ///
    /// # Errors
    /// The kernel's error, which a loaded program does not cause.
    pub fn read(&self) -> Result<CounterValues, MapError> {
        let per_cpu = self.map.get(&0, 0)?;
        let mut totals = [0; Counter::COUNT];
        for cpu in per_cpu.iter() {
            for (total, value) in totals.iter_mut().zip(cpu.0) {
                *total += value;
            }
        }
        Ok(CounterValues {
            totals,
            kept_by_cpu: per_cpu.iter().map(|cpu| cpu.0[Counter::Kept as usize]).collect(),
        })
    }
}

impl CounterValues {
    /// These, with more records that an agent left out.
    #[must_use]
    pub(super) const fn with_left_out(mut self, records: u64) -> Self {
        self.totals[Counter::LostLeftOut as usize] += records;
        self
    }

    /// The sum of these and those of another program.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self::of(|counter| self.get(counter) + other.get(counter))
    }

    /// All zero: the counters of a newly loaded program.
    #[must_use]
    pub fn zero(cpus: usize) -> Self {
        Self { totals: [0; Counter::COUNT], kept_by_cpu: vec![0; cpus] }
    }

    /// Values given one by one, for another engine or a test.
    #[must_use]
    pub fn of(value: impl Fn(Counter) -> u64) -> Self {
        let mut totals = [0; Counter::COUNT];
        for counter in Counter::ALL {
            totals[*counter as usize] = value(*counter);
        }
        Self { totals, kept_by_cpu: vec![] }
    }

    /// One counter.
    #[must_use]
    pub const fn get(&self, counter: Counter) -> u64 {
        self.totals[counter as usize]
    }

    /// Packets kept by each CPU; a CPU with an unchanged number has no changed slot.
    #[must_use]
    pub fn kept_by_cpu(&self) -> &[u64] {
        &self.kept_by_cpu
    }

    /// Sum of some counters.
    #[must_use]
    pub fn sum(&self, counters: &[Counter]) -> u64 {
        counters.iter().map(|counter| self.get(*counter)).sum()
    }
}
