//! What the sensor's cost is held against: programs that do nothing, or one known thing, and the traffic for live runs.
//!
//! A second object beside the sensor's, loaded by the benchmark alone.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
#[expect(dead_code, reason = "the sensor uses more of it")]
#[path = "../frame.rs"]
mod frame;
#[cfg(target_arch = "bpf")]
mod generate;
#[cfg(target_arch = "bpf")]
#[path = "../kernel.rs"]
mod kernel;
#[cfg(target_arch = "bpf")]
mod lookup;
#[cfg(target_arch = "bpf")]
#[path = "../maps.rs"]
mod maps;
#[cfg(target_arch = "bpf")]
mod nothing;
#[cfg(target_arch = "bpf")]
mod produce;
#[cfg(target_arch = "bpf")]
#[expect(dead_code, reason = "the sensor uses more of it")]
#[path = "../scratch.rs"]
mod scratch;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program in which this can be reached.
    loop {}
}

/// Helpers that the verifier gives to GPL-compatible programs only need this.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(target_arch = "bpf"))]
fn main() {}
