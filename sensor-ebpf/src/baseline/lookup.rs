//! The cost of the flags of a random address: found in the kernel's trie, found as the sensor does, and not looked up at all.

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, xdp_action},
    macros::{map, xdp},
    maps::{LpmTrie, PerCpuArray, lpm_trie::Key},
    programs::XdpContext,
};
use sensor_common::path::{Environment as _, flags_of};

use crate::kernel::Kernel;

/// Prefixes; the benchmark sets the size.
#[map]
static TRIE: LpmTrie<u32, u32> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);

/// State of the random numbers.
#[map]
static RANDOM: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// The next address, uniform over all (Marsaglia's xorshift32), never 0.
#[inline(always)]
fn address() -> Option<u32> {
    let state = RANDOM.get_ptr_mut(0)?;
    // SAFETY: the value is this CPU's own.
    unsafe {
        let mut x = if *state == 0 { 0x9E37_79B9 } else { *state };
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        *state = x;
        Some(x)
    }
}

/// Makes an address.
#[xdp]
pub(crate) fn bench_address(_context: XdpContext) -> u32 {
    match address() {
        Some(_) => xdp_action::XDP_PASS,
        None => xdp_action::XDP_ABORTED,
    }
}

/// Makes an address and looks it up.
#[xdp]
pub(crate) fn bench_lookup(_context: XdpContext) -> u32 {
    match address() {
        Some(address) if TRIE.get(Key::new(32, address)).is_some() => xdp_action::XDP_DROP,
        Some(_) => xdp_action::XDP_PASS,
        None => xdp_action::XDP_ABORTED,
    }
}

/// Makes an address and finds its flags as the sensor does, in the sensor's own maps.
#[xdp]
pub(crate) fn bench_flags(_context: XdpContext) -> u32 {
    let Some(address) = address() else { return xdp_action::XDP_ABORTED };
    let Some(view) = Kernel.view() else { return xdp_action::XDP_ABORTED };
    if flags_of(&Kernel, view, 4, &[0, 0, 0, address]).0 == 0 {
        xdp_action::XDP_PASS
    } else {
        xdp_action::XDP_DROP
    }
}
