//! The owner programs: they write down who opens a TCP connection, for the agent to look up.
//!
//! An object of its own, so that a kernel that refuses it still runs the sensor. At connect(2) the caller is known and the
//! source port may not be; just before the SYN leaves, the ports are known and the caller may be gone. The socket's cookie
//! joins the two. Every call is let through and nothing of the socket is changed.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod connect;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
#[path = "../object.rs"]
mod object;
#[cfg(target_arch = "bpf")]
mod syn;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
