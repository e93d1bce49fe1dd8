//! Traffic for live runs: each frame becomes a flow of its own and goes out of an interface.

use aya_ebpf::{
    bindings::xdp_action,
    helpers::generated::bpf_redirect,
    macros::{map, xdp},
    maps::{Array, PerCpuArray},
    programs::XdpContext,
};

/// Index of the interface that frames go out of.
#[map]
static TARGET: Array<u32> = Array::with_max_entries(1, 0);

/// Frames made so far.
#[map]
static MADE: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Odd, so that multiples of it run through all numbers before one comes again.
const STRIDE: u32 = 0x9E37_79B1;

const IDENTIFICATION: usize = 14 + 4;
const SOURCE_LOW: usize = 14 + 14;
const SOURCE_PORT: usize = 14 + 20;

/// Gives an IPv4 frame without options a new source port and new last 16 bits of the source address, 2^31 different ones,
/// and sends it off. The identification takes up what the address adds to the header's check sum: the frame must come with
/// an identification of all ones and zeros at the end of its source address.
#[xdp]
pub(crate) fn bench_generate(context: XdpContext) -> u32 {
    let (Some(made), Some(target)) = (MADE.get_ptr_mut(0), TARGET.get(0)) else {
        return xdp_action::XDP_ABORTED;
    };
    let start = context.data();
    if start + SOURCE_PORT + 2 > context.data_end() {
        return xdp_action::XDP_ABORTED;
    }
    // SAFETY: the value is this CPU's own; the frame holds the bytes, and they are aligned for u16 as frames begin at an
    // even address.
    unsafe {
        *made = (*made).wrapping_add(1);
        let random = (*made).wrapping_mul(STRIDE);
        let low = random as u16;
        let port = (random >> 16) as u16 | 0x8000;
        *((start + IDENTIFICATION) as *mut u16) = !low;
        *((start + SOURCE_LOW) as *mut u16) = low;
        *((start + SOURCE_PORT) as *mut u16) = port.to_be();
        bpf_redirect(*target, 0) as u32
    }
}
