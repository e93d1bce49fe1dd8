//! What can be wrong with the store, and what to do then.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Something is wrong with the store.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The directory cannot be used.
    #[error("cannot use the state directory {}: {source}", path.display())]
    Directory {
        /// Directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Another agent uses the directory.
    #[error(
        "{} is used by another agent{}; give each agent a --state-dir of its own",
        path.display(),
        pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    InUse {
        /// Directory.
        path: PathBuf,
        /// Process of the other agent, where it is known.
        pid: Option<u32>,
    },
    /// A newer program made the database.
    #[error(
        "{} has schema {found}, and this version reads {known}: install the version that wrote it, or move the file away to begin a new one",
        path.display()
    )]
    Newer {
        /// Database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The database cannot be read or written.
    #[error("cannot {operation} {}: {source}", path.display())]
    Database {
        /// What was to be done.
        operation: &'static str,
        /// Database.
        path: PathBuf,
        /// Cause.
        #[source]
        source: rusqlite::Error,
    },
    /// There is no database.
    #[error("there is no database in {}: no agent has run with this --state-dir yet", path.display())]
    Missing {
        /// Directory.
        path: PathBuf,
    },
    /// An identifier that several incidents begin with.
    #[error("{prefix} is the beginning of several incidents: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// The first of those that it fits.
        candidates: Vec<String>,
    },
    /// A row that this version cannot read.
    #[error("cannot read {what} out of {}: {cause}", path.display())]
    Row {
        /// What it should be.
        what: &'static str,
        /// Database.
        path: PathBuf,
        /// Cause.
        cause: String,
    },
}

impl StorageError {
    /// Whether the file is damaged, so that only another one helps.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self, Self::Database { source, .. }
            if matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)))
    }
}
