//! The agent's side of the kernel program: load, attach, read records, slots and counters.
//!
//! Nothing in here judges; it gives the later stages bytes and numbers, and names what failed. The agent's `unsafe` is in
//! this module alone.

pub mod attach;
mod barrier;
pub mod boot;
mod claim;
pub mod clock;
pub mod counters;
pub mod enforce;
pub mod ethtool;
pub mod exempted;
pub mod interface;
mod link_type;
pub mod object;
pub mod owner;
pub mod packet_socket;
pub mod poll_timer;
pub mod ports;
pub mod prefixes;
pub mod privileges;
mod programs;
pub mod readiness;
pub mod ring;
mod rtnetlink;
pub mod slots;
mod table;
pub mod ticks;
pub mod watcher;
pub mod xdp_program;
