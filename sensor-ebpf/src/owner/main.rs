//! The owner programs: they record the process that opens a TCP connection, for the agent to look up.
//!
//! They are an object of their own, so that a kernel that refuses it still runs the sensor. At connect(2) the caller is known,
//! but the source port may not be. Just before the SYN leaves, the ports are known, but the caller may be gone. The socket's
//! cookie joins the two. The programs let every call pass and never change the socket.
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
