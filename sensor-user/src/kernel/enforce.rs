//! The enforcement switch in the kernel program.

use std::sync::{Arc, Mutex, PoisonError};

use aya::maps::{Array, Map, MapData};
use sensor_common::settings::Enforcement;

use super::object::LoadError;

/// Name of its section of globals.
pub const SECTION: &str = ".bss.enforce";

/// The switch. It ends with the program.
#[derive(Clone)]
pub struct EnforcementSwitch {
    /// Shared by the program and the lease; locked for at most one system call.
    words: Arc<Mutex<Array<MapData, [u32; 2]>>>,
}

impl EnforcementSwitch {
    pub(super) fn open(map: Map) -> Result<Self, LoadError> {
        let failed =
            |source| LoadError::Write { what: "the handle of the enforcement switch".into(), source };
        Ok(Self { words: Arc::new(Mutex::new(map.try_into().map_err(failed)?)) })
    }

    /// Sets it, for the next packet on.
    ///
    /// # Errors
    /// If the kernel does not accept it; it stays as it was, and expires.
    pub fn set(&self, enforcement: Enforcement) -> Result<(), LoadError> {
        self.words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .set(0, [enforcement.on, enforcement.until], 0)
            .map_err(|source| LoadError::Write { what: "the enforcement switch".into(), source })
    }
}
