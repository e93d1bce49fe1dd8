//! The kernel program: thin hooks over the one path of `sensor-common`.
//!
//! It never changes a packet. It drops packets only for enforcement or a block, and only while the lease runs.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod frame;
#[cfg(target_arch = "bpf")]
mod hooks;
#[cfg(target_arch = "bpf")]
mod kernel;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod object;
#[cfg(target_arch = "bpf")]
mod scratch;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
