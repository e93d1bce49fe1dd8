//! Shared code of the tests of the whole sensor: the agent in a namespace of the laboratory, and traffic for it; frames, and the
//! packet path in the kernel and on the host.

use std::time::Duration;

mod agent;
mod at_cgroup;
mod attached;
mod bpffs;
mod browser;
mod disk;
mod document;
pub mod encapsulation;
pub mod fleet;
mod frame;
pub mod fuzz;
mod kernel;
pub mod nats;
mod random;
mod recording;
mod records;
mod replay_table;
mod replayed;
pub mod report_state;
pub mod scenario;
pub mod status_page;
mod tmux;
mod traffic;
mod twin;

pub use agent::{Agent, AgentBuilder, Refusal};
pub use at_cgroup::attached_to;
pub use attached::{attached, has_tcx, on_this_kernel, still_loaded};
pub use bpffs::Bpffs;
pub use browser::Browser;
pub use disk::Disk;
pub use sensor_core::level::EvidenceLevel;

pub use document::{
    Ended, documents_of, evidence, finds, follows_schema, has_finding, last_of_each, number, reaches, text,
    texts,
};
pub use frame::{Frame, QINQ, QINQ_OLD, VLAN, extension};
pub use kernel::{
    Entry, Fate, Kernel, Setup, TEST_RUN_IFINDEX, has_inner_tunnel_headers, has_xdp_frags, privileged,
};
pub use random::Xorshift;
pub use recording::{ByteOrder, Recording, link};
pub use records::{flows, pieces};
pub use replay_table::ReplayTable;
pub use replayed::{Replayed, captures_below, replayed, replayed_with};
pub use tmux::Tmux;
pub use traffic::{SMB2_MESSAGE, connect, echo, session_of, smb_session, syn_frame, wait_for_ends};
pub use twin::{ENTRIES, Effect, HOOKS, Outcome, Twin};

/// Longest time that a test waits for the agent to do something. It has to do it: success does not take longer for that.
pub const PATIENCE: Duration = Duration::from_secs(60);
