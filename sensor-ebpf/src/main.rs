//! The kernel program: thin hooks over the one path of `sensor-common`.
//!
//! It watches and never changes a packet; it drops none but a SYN, and that only while enforcement is in force.
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
