//! Why the store cannot be used.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::tables::SCHEMA;

/// The store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The directory cannot be made.
    #[error("cannot create the state directory {}: {source}. Name another with --state-dir or `state_dir`", path.display())]
    Directory {
        /// Directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error("{} is in use by another smb-sensor: stop it, or give this one its own --state-dir", path.display())]
    InUse {
        /// File.
        path: PathBuf,
    },
    /// It is of another version.
    #[error("{} has store layout {found}, this agent writes {SCHEMA}: use the agent that made it, or another --state-dir", path.display())]
    Schema {
        /// File.
        path: PathBuf,
        /// Version found.
        found: u64,
    },
    /// It cannot be read or written.
    #[error("the store {}: {source}. Make room or name another --state-dir; a damaged file can be moved away, then destinations are new once", path.display())]
    Store {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: Box<redb::Error>,
    },
}
