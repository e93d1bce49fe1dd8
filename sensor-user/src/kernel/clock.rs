//! The clock of the kernel program in a replay: the agent sets it.
//!
//! The program reads it only if it was loaded with [`feature::GIVEN_CLOCK`](sensor_common::settings::feature::GIVEN_CLOCK).

use aya::maps::{Array, Map, MapData};

use super::object::LoadError;

/// Name of its section of globals.
pub const SECTION: &str = ".bss.clock";

/// The clock.
pub struct GivenClock {
    word: Array<MapData, u32>,
    stands_at: u32,
}

impl GivenClock {
    pub(super) fn open(map: Map) -> Result<Self, LoadError> {
        let failed = |source| LoadError::Write { what: "the handle of the given clock".into(), source };
        Ok(Self { word: map.try_into().map_err(failed)?, stands_at: 0 })
    }

    /// Sets it, for the next packet on. Free if it is already set so.
    ///
    /// # Errors
    /// If the kernel does not accept it.
    pub fn set(&mut self, ticks: u32) -> Result<(), LoadError> {
        if self.stands_at != ticks {
            self.word
                .set(0, ticks, 0)
                .map_err(|source| LoadError::Write { what: "the given clock".into(), source })?;
            self.stands_at = ticks;
        }
        Ok(())
    }
}
