//! Threads other than the reader: the lease of enforcement, logging, and supervision.

pub mod fault;
mod lease;
pub mod logging;
mod supervisor;

pub use self::{
    lease::{Lease, READER_LIMIT},
    supervisor::{Ended, Spawner, Supervisor},
};
