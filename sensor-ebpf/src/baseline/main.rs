//! The baseline for the sensor's cost: programs that do nothing, or one known thing, and the traffic for live runs.
//!
//! It is an object of its own, and only the benchmark loads it.
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
#[path = "../object.rs"]
mod object;
#[cfg(target_arch = "bpf")]
mod produce;
#[cfg(target_arch = "bpf")]
#[expect(dead_code, reason = "the sensor uses more of it")]
#[path = "../scratch.rs"]
mod scratch;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
