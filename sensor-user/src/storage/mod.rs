//! The durable state of the agent: one SQLite database in the state directory.
//!
//! Takes rows whose content is the caller's (documents as text, incidents and connections as bytes) and commits those of a
//! [`RowBatch`] together. One thread writes ([`Writer`]); sinks and commands read by [`Reader`], also while the agent writes,
//! and without an agent. It knows nothing of rules or formats; of the core's types it has severities, by which it filters and
//! sorts, and evidence levels.

mod age;
mod check;
mod commit_alone;
mod error;
mod files;
mod handle;
mod insert;
mod lock;
mod migrate;
mod numbers;
mod open_to_read;
mod query;
mod reader;
mod recent;
mod retention;
mod rows;
mod salvage;
mod schema;
mod subscriber;
mod writer;

use std::path::{Path, PathBuf};

pub use self::{
    commit_alone::commit_alone,
    error::StorageError,
    handle::{Committed, Handle, StorageCounts},
    lock::agent_of,
    query::{DocumentQuery, IdentifierQuery, IncidentOrder, IncidentQuery},
    reader::Reader,
    rows::{
        Contact, ContactRow, DocumentKind, DocumentRow, IncidentRow, NewDocument, QuotaRow, RingPlace,
        RowBatch, Rows, VerdictRow, day_of,
    },
    subscriber::Subscriber,
    writer::{Opened, Writer},
};

/// Name of the cursor of the output.
pub const OUTPUT_CURSOR: &str = "output";

/// Key of the clock of known terms among the single values.
pub const TERM_CLOCK: &str = "term-clock";

/// Key of the blocks in force among the single values.
pub const BLOCKS: &str = "blocks";

/// Key of whether the agent keeps summaries of connections, among the single values: one byte, 0 or 1.
pub const FLOW_DOCUMENTS: &str = "flow-documents";

/// Name of the database in the state directory.
const FILE: &str = "smb-sensor.db";

/// The database of a state directory.
#[must_use]
pub fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// What the store keeps at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the database.
    pub bytes: u64,
    /// Days that a document or a closed incident is kept.
    pub days: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: 256 << 20, days: 30 }
    }
}
