//! The errors of the store, and their remedies.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Something is wrong with the store.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The directory cannot be used.
    #[error("cannot use the state directory {}: {source}{}", path.display(), advice(source))]
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
    #[error("{}", database(operation, path, source))]
    Database {
        /// What was to be done.
        operation: &'static str,
        /// Database.
        path: PathBuf,
        /// Cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The file system of the database accepts no writes any more.
    #[error(
        "cannot {operation} {}: its file system is read-only now. The kernel's log (dmesg) says why; repair it and mount it again",
        path.display()
    )]
    ReadOnly {
        /// What was to be done.
        operation: &'static str,
        /// Database.
        path: PathBuf,
    },
    /// The file is empty.
    #[error(
        "{} is empty: no agent has written to it yet; give the --state-dir of the agent, or start one with this --state-dir",
        path.display()
    )]
    Empty {
        /// File.
        path: PathBuf,
    },
    /// Another program made the database.
    #[error(
        "{} is a SQLite database of another program, without the tables of smb-sensor: give another --state-dir, or move the file away",
        path.display()
    )]
    Foreign {
        /// Database.
        path: PathBuf,
    },
    /// So many damaged databases are kept that the disk must be at fault.
    #[error(
        "{0} is damaged, and {count} were set aside before it: check the disk, and remove {0}.damaged-* when you have examined them",
        path.display()
    )]
    TooManyDamaged {
        /// Database.
        path: PathBuf,
        /// Damaged databases before it.
        count: u64,
    },
    /// This user may not read the database.
    #[error("this user may not read {}: run the command as root or as the user of the agent", path.display())]
    Forbidden {
        /// Database.
        path: PathBuf,
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

/// What helps against an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The file is damaged: only another one helps.
    Replace,
    /// The rows are at fault: the others can be written.
    LeaveOut,
    /// Free space on the disk, a writable file system, or the end of another process's lock: the write is repeated until it succeeds.
    Wait,
    /// The disk may recover: it is tried again for a while.
    WaitAWhile,
    /// Nothing here does.
    None,
}

impl StorageError {
    /// Whether the file is damaged, so that only another one helps.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        self.remedy() == Remedy::Replace
    }

    /// What SQLite says of it, or everything.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Database { source, .. } => source.to_string(),
            _ => self.to_string(),
        }
    }

    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Database { source, .. } => remedy(source),
            // Until somebody repairs it, and an agent that starts anew could not use it at all.
            Self::ReadOnly { .. } => Remedy::Wait,
            _ => Remedy::None,
        }
    }
}

fn remedy(source: &rusqlite::Error) -> Remedy {
    use rusqlite::ErrorCode as Code;
    match source.sqlite_error_code() {
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => Remedy::Replace,
        Some(Code::ConstraintViolation | Code::TooBig | Code::TypeMismatch) => Remedy::LeaveOut,
        Some(Code::DiskFull | Code::ReadOnly | Code::DatabaseBusy | Code::DatabaseLocked) => Remedy::Wait,
        Some(Code::SystemIoFailure | Code::CannotOpen | Code::OutOfMemory) => Remedy::WaitAWhile,
        _ => Remedy::None,
    }
}

/// What to do about a state directory that cannot be used.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            ". Mount its file system writable, or give a --state-dir on one that is"
        }
        _ => "",
    }
}

fn database(operation: &str, path: &Path, source: &rusqlite::Error) -> String {
    let reported = format!("cannot {operation} {}: {source}", path.display());
    match remedy(source) {
        Remedy::Replace => format!(
            "{reported}. The file is damaged: an agent that starts, or runs, keeps it under another name, copies what can be read and \
             goes on with a new one"
        ),
        _ => reported,
    }
}
