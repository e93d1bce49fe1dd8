//! Threads other than the reader: the lease of enforcement, logging, supervision, and what threads may do.

pub mod confine;
pub mod fault;
mod lease;
pub mod logging;
pub mod signs;
mod supervisor;
mod watch;

pub use self::{
    confine::Allowed,
    lease::{Lease, READER_LIMIT},
    signs::{Wait, waiting},
    supervisor::{Ended, Spawner, Supervisor},
    watch::HANGS_AFTER,
};
