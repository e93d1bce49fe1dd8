//! Writes the IPv4 prefix tables in shared memory.
//!
//! Takes the map of both views' tables, changes words of the inactive one. Never reads anything that a packet depends on.

use std::{io, num::NonZeroUsize, ptr::NonNull};

use aya::maps::{Map, MapData};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use sensor_common::topbits::TABLE_V4_WORDS;

use super::object::LoadError;

const VIEWS: usize = 2;
const BYTES: NonZeroUsize = NonZeroUsize::new(VIEWS * TABLE_V4_WORDS * 8).unwrap();

/// The tables of both views.
pub(super) struct TableMemory {
    memory: NonNull<u64>,
    // The map must live as long as its memory.
    _map: MapData,
}

// SAFETY: the memory is shared with the kernel anyway; accesses are volatile and never form references.
unsafe impl Send for TableMemory {}

impl TableMemory {
    /// Maps the tables.
    pub(super) fn open(map: Map) -> Result<Self, LoadError> {
        let Map::Array(map) = map else {
            return Err(LoadError::Missing("TABLES_V4 array"));
        };
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping of a map that was created with BPF_F_MMAPABLE and this size.
        let memory = unsafe { mmap(None, BYTES, access, MapFlags::MAP_SHARED, map.fd(), 0) }
            .map_err(|errno| LoadError::Tables(io::Error::from(errno)))?;
        Ok(Self { memory: memory.cast(), _map: map })
    }

    /// Writes the words of a view's table that differ.
    pub(super) fn write(&mut self, view: usize, words: &[u64]) {
        let start = view.min(VIEWS - 1) * TABLE_V4_WORDS;
        for (at, word) in words.iter().take(TABLE_V4_WORDS).enumerate() {
            // SAFETY: the index is inside the mapping, which is page-aligned and lives as long as self; volatile because
            // the kernel reads meanwhile.
            unsafe {
                let place = self.memory.add(start + at);
                if place.read_volatile() != *word {
                    place.write_volatile(*word);
                }
            }
        }
    }
}

impl Drop for TableMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping that `open` made, unmapped once.
        let _ = unsafe { munmap(self.memory.cast(), BYTES.get()) };
    }
}
