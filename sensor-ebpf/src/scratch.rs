//! Memory that makes the verifier forget.
//!
//! What is written here and read back is a number of which the verifier knows nothing: however many ways lead to the same
//! place, what follows is verified once. Costs a write and a read of a line that is in the cache.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use sensor_common::{bytes::OFFSET_MASK, headers::Ports};

#[map]
static SCRATCH: PerCpuArray<Ports> = PerCpuArray::with_max_entries(1, 0);

/// Gives back `offset`, which is no larger than [`OFFSET_MASK`].
#[inline(always)]
pub(crate) fn forget_offset(offset: usize) -> usize {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else { return 0 };
    // SAFETY: the value is this CPU's own, and nothing else runs on it between the write and the read.
    unsafe {
        (&raw mut (*scratch).network).write_volatile(offset as u32);
        (&raw const (*scratch).network).read_volatile() as usize & OFFSET_MASK
    }
}

/// Gives back `ports`.
#[inline(always)]
pub(crate) fn forget_ports(ports: Ports) -> Ports {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else { return ports };
    // SAFETY: as above.
    unsafe {
        scratch.write_volatile(ports);
        scratch.read_volatile()
    }
}
