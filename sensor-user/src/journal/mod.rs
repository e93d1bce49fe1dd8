//! The journal: every alert document and every summary of a flow, kept on disk, bounded by size and age.
//!
//! It is the one way out. What is pushed goes first into a log that is written ahead ([`ahead`]), which outlives a killed
//! process and costs no wait for the disk; from then on the output may have it. In groups it is committed to the store
//! ([`store`], redb), which outlives a power failure too, and leaves the log. The output has a durable cursor there, and goes on
//! where it was after a restart. [`query`] reads it for `smb-sensor alerts`.

mod ahead;
mod entry;
mod error;
mod feed;
mod held;
pub mod query;
mod reader;
mod store;
mod threads;
mod unclosed;
mod writer;

pub use self::{
    entry::{Entry, Kind},
    error::JournalError,
    feed::Feed,
    query::Query,
    reader::Reader,
    writer::{Journal, Numbers, read},
};

/// What the journal keeps at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of documents: one half for alerts, one for flows, so that a flood of flows drives out no alert.
    pub bytes: u64,
    /// Days that a document is kept.
    pub days: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: 256 << 20, days: 30 }
    }
}
