//! Reads the flow slots from shared memory.
//!
//! Takes the slot map, gives copies of the slots that changed since the last sweep. Never writes to them.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::AsFd as _,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering, fence},
};

use aya::maps::{Map, MapData};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use sensor_common::slot::Slot;
use zerocopy::{FromBytes as _, FromZeros};

use super::object::LoadError;

const SLOT_WORDS: usize = size_of::<Slot>() / 8;

/// Shared view of all slots of all CPUs.
pub struct SlotReader {
    memory: NonNull<u64>,
    bytes: NonZeroUsize,
    slots_per_cpu: usize,
    cpus: usize,
    /// The state of each slot at the last sweep.
    seen: Vec<SlotVersion>,
    /// Slots that hold a flow.
    used: usize,
    /// Copies that were not made, or not used, because the slot changed hands.
    changing: u64,
    // The map must live as long as its memory.
    map: MapData,
}

// SAFETY: the memory is shared with the kernel anyway; reads are atomic and never form references to more than a word.
unsafe impl Send for SlotReader {}

/// The part of a slot that every packet changes.
#[derive(Clone, Copy, Default, PartialEq, Eq, FromZeros)]
pub(crate) struct SlotVersion {
    generation: u32,
    packets: [u32; 2],
}

impl SlotVersion {
    /// Of slots that were not read yet. Takes no memory for those that nobody writes.
    pub(crate) fn of_unread(count: usize) -> Vec<Self> {
        Self::new_vec_zeroed(count).unwrap_or_else(|_| vec![Self::default(); count])
    }

    /// At a slot.
    pub(crate) const fn at(slot: &Slot) -> Self {
        Self { generation: slot.line.generation, packets: slot.line.packets }
    }
}

impl SlotReader {
    /// Maps the slots of `cpus` CPUs.
    pub(super) fn open(map: Map, slots_per_cpu: u32, cpus: u32) -> Result<Self, LoadError> {
        let Map::Array(map) = map else {
            return Err(LoadError::Missing("SLOTS array"));
        };
        Self::over(map, slots_per_cpu as usize, cpus as usize)
    }

    /// Another reader of the same slots, for which all of them are unread.
    ///
    /// # Errors
    /// If the map cannot be mapped into memory again.
    pub fn another(&self) -> Result<Self, LoadError> {
        let descriptor = self.map.fd().as_fd().try_clone_to_owned().map_err(LoadError::Slots)?;
        let map = MapData::from_fd(descriptor).map_err(|error| LoadError::Slots(io::Error::other(error)))?;
        Self::over(map, self.slots_per_cpu, self.cpus)
    }

    fn over(map: MapData, slots_per_cpu: usize, cpus: usize) -> Result<Self, LoadError> {
        let count = slots_per_cpu * cpus;
        let bytes =
            NonZeroUsize::new(count * size_of::<Slot>()).ok_or(LoadError::Missing("SLOTS entries"))?;
        // SAFETY: a new read-only mapping of a map that was created with BPF_F_MMAPABLE and this size.
        let memory = unsafe { mmap(None, bytes, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, map.fd(), 0) }
            .map_err(|errno| LoadError::Slots(io::Error::from(errno)))?;
        Ok(Self {
            memory: memory.cast(),
            bytes,
            slots_per_cpu,
            cpus,
            seen: SlotVersion::of_unread(count),
            used: 0,
            changing: 0,
            map,
        })
    }

    /// CPUs that have slots.
    #[must_use]
    pub const fn cpus(&self) -> usize {
        self.cpus
    }

    /// Slots that there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.seen.len()
    }

    /// Slots that held a flow at the last sweep. A flow that is over stays in its slot until another one takes it.
    #[must_use]
    pub const fn used(&self) -> usize {
        self.used
    }

    /// How often a sweep met a slot that changed hands at that very moment, and left it for the next sweep.
    #[must_use]
    pub const fn changing(&self) -> u64 {
        self.changing
    }

    /// Bytes of all slots.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Passes each slot of `cpu` that changed since the last sweep to `found`: where it is, and a copy. A slot that changes hands at
    /// this very moment is left for the next sweep.
    ///
    /// This is the reader's half of the sequence lock of [`FlowLine::generation`](sensor_common::slot::FlowLine::generation): a
    /// copy is valid only if the generation was even before it and is the same after it.
    pub fn sweep(&mut self, cpu: usize, mut found: impl FnMut(usize, &Slot)) {
        let start = cpu * self.slots_per_cpu;
        for index in start..(start + self.slots_per_cpu).min(self.seen.len()) {
            let version = self.version(index);
            if version == self.seen[index] {
                continue;
            }
            if version.generation & 1 != 0 {
                self.changing += 1;
                continue;
            }
            let slot = self.copy(index);
            // No load of the copy may move after the one that checks it.
            fence(Ordering::Acquire);
            if self.version(index).generation != version.generation {
                self.changing += 1;
                continue;
            }
            self.used += usize::from(self.seen[index] == SlotVersion::default());
            self.seen[index] = SlotVersion::at(&slot);
            found(index, &slot);
        }
    }

    /// Whether the flow of this copy of the slot at `index` is still there. If another one took the slot, a record has its last
    /// counts, and the copy must not be used after that record.
    #[must_use]
    pub fn holds(&self, index: usize, copy: &Slot) -> bool {
        self.version(index).generation == copy.line.generation
    }

    fn version(&self, index: usize) -> SlotVersion {
        // Words of FlowLine: 3 has both packet counts, 7 ends with the generation.
        // The generation is loaded first; no later load may move before it.
        let tail = self.word(index, 7).load(Ordering::Acquire).to_ne_bytes();
        let packets = self.word(index, 3).load(Ordering::Relaxed).to_ne_bytes();
        let half = |bytes: &[u8; 8], at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        SlotVersion { generation: half(&tail, 4), packets: [half(&packets, 0), half(&packets, 4)] }
    }

    fn copy(&self, index: usize) -> Slot {
        let mut words = [0u64; SLOT_WORDS];
        for (at, word) in words.iter_mut().enumerate() {
            *word = self.word(index, at).load(Ordering::Relaxed);
        }
        Slot::read_from_bytes(zerocopy::IntoBytes::as_bytes(&words)).unwrap_or_default()
    }

    fn word(&self, index: usize, word: usize) -> &AtomicU64 {
        let at = index * SLOT_WORDS + word;
        debug_assert!(at * 8 < self.bytes.get());
        // SAFETY: `at` lies inside the mapping, which is page-aligned and lives as long as self; the kernel may write
        // meanwhile, hence an atomic, which is only loaded from: the mapping is read-only.
        unsafe { self.memory.add(at).cast::<AtomicU64>().as_ref() }
    }
}

impl Drop for SlotReader {
    fn drop(&mut self) {
        // SAFETY: the mapping that `open` made, unmapped once.
        let _ = unsafe { munmap(self.memory.cast(), self.bytes.get()) };
    }
}
