//! Per-CPU memory that hides values from the verifier.
//!
//! The verifier knows nothing about a value that is written here and read back. So it verifies the code that follows once,
//! however many paths lead to it. This costs a write and a read of a line that is in the cache.

use aya_ebpf::{
    macros::map,
    maps::{PerCpuArray, lpm_trie::Key},
};
use sensor_common::{
    block::{BLOCK_BITS, BlockEnds, block_ends},
    bytes::OFFSET_MASK,
    headers::Address,
    path::{Parsed, Unaccounted},
};

#[map]
static OFFSET: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Gives back `offset`, which is no larger than [`OFFSET_MASK`].
#[inline(always)]
pub(crate) fn forget_offset(offset: usize) -> usize {
    let Some(scratch) = OFFSET.get_ptr_mut(0) else { return 0 };
    // SAFETY: the value is this CPU's own, and nothing else runs on it between the write and the read.
    unsafe {
        scratch.write_volatile(offset as u32);
        scratch.read_volatile() as usize & OFFSET_MASK
    }
}

#[map]
static PARSED: PerCpuArray<Parsed> = PerCpuArray::with_max_entries(1, 0);

/// Keeps what was parsed of a packet.
#[inline(always)]
pub(crate) fn keep_parsed(parsed: Parsed) {
    if let Some(kept) = PARSED.get_ptr_mut(0) {
        // SAFETY: the value is this CPU's own.
        unsafe { kept.write_volatile(parsed) };
    }
}

/// What was kept last.
#[inline(always)]
pub(crate) fn kept_parsed() -> Option<&'static Parsed> {
    let kept = PARSED.get_ptr_mut(0)?;
    // SAFETY: the value is this CPU's own, and a packet is done with it before the next one comes; it is read only after
    // something was kept.
    Some(unsafe { &*kept })
}

#[map]
static ENDS: PerCpuArray<[Address; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Keeps the addresses of a packet off the stack.
#[inline(always)]
pub(crate) fn keep_ends(ends: [Address; 2]) -> Option<&'static [Address; 2]> {
    let kept = ENDS.get_ptr_mut(0)?;
    // SAFETY: as above.
    unsafe {
        kept.write(ends);
        Some(&*kept)
    }
}

/// The addresses that were kept last.
#[inline(always)]
pub(crate) fn kept_ends() -> Option<&'static [Address; 2]> {
    let kept = ENDS.get_ptr_mut(0)?;
    // SAFETY: as above.
    Some(unsafe { &*kept })
}

#[map]
static UNACCOUNTED: PerCpuArray<Unaccounted> = PerCpuArray::with_max_entries(1, 0);

/// Keeps a packet that is to be accounted.
#[inline(always)]
pub(crate) fn keep_unaccounted(packet: Unaccounted) {
    if let Some(kept) = UNACCOUNTED.get_ptr_mut(0) {
        // SAFETY: as above.
        unsafe { kept.write(packet) };
    }
}

/// The packet that was kept last.
#[inline(always)]
pub(crate) fn kept_unaccounted() -> Option<&'static mut Unaccounted> {
    let kept = UNACCOUNTED.get_ptr_mut(0)?;
    // SAFETY: as above.
    Some(unsafe { &mut *kept })
}

#[map]
static BLOCK_KEY: PerCpuArray<Key<BlockEnds>> = PerCpuArray::with_max_entries(1, 0);

/// Keeps the key under which a block is looked up off the stack.
#[inline(always)]
pub(crate) fn keep_block_key(first: &Address, second: &Address) -> Option<&'static Key<BlockEnds>> {
    let kept = BLOCK_KEY.get_ptr_mut(0)?;
    // SAFETY: as above.
    unsafe {
        kept.write(Key::new(BLOCK_BITS, block_ends(first, second)));
        Some(&*kept)
    }
}
