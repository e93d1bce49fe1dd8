//! The agent's side of the kernel program: load, attach, read records, slots and counters.
//!
//! This module decides nothing: it gives bytes and numbers to the later stages, and reports failures. It has all of the agent's
//! `unsafe` code.

pub mod attach;
pub(crate) mod barrier;
pub mod blocks;
pub mod boot;
mod claim;
pub mod clock;
pub mod counters;
pub mod descriptors;
pub mod enforce;
pub mod ethtool;
pub mod exempted;
pub mod interface;
mod link_type;
pub(crate) mod neighbours;
pub mod object;
pub mod owner;
pub mod packet_socket;
pub mod pins;
pub mod poll_timer;
pub mod ports;
pub mod prefixes;
pub mod privileges;
pub mod program_runs;
mod programs;
pub mod quic;
pub mod readiness;
pub mod ring;
pub(crate) mod rtnetlink;
pub mod send_queue;
pub mod slots;
mod table;
mod tcx;
pub mod ticks;
pub mod watcher;
pub mod xdp_program;
