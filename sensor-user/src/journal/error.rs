//! Why the journal cannot be used.

use std::{io, path::PathBuf};

use thiserror::Error;

/// The journal cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another process has it.
    #[error("the journal {} is in use by another smb-sensor: stop it, or give this one its own --state-dir", path.display())]
    InUse {
        /// File.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no journal at {}: no agent has run with this --state-dir (or `state_dir` of --config) yet", path.display())]
    Missing {
        /// File.
        path: PathBuf,
    },
    /// Something emptied it: it never is by itself.
    #[error(
        "the journal {} is empty (0 bytes), as a crash or a full disk leaves a file: the alerts that it held are lost, except those \
         that the output had. `smb-sensor run` begins it anew",
        path.display()
    )]
    Emptied {
        /// File.
        path: PathBuf,
    },
    /// It is of another version.
    #[error(
        "the journal {} has layout {found}, this program reads {known}: use the smb-sensor that wrote it, or move it aside and \
         begin a new one: mv {0} {0}.old",
        path.display(),
    )]
    Layout {
        /// File.
        path: PathBuf,
        /// Version found.
        found: u64,
        /// Version that is read.
        known: u64,
    },
    /// One of its files is none.
    #[error("{} is a directory, where the journal has a file. Move it aside: mv {0} {0}.old", path.display())]
    NotAFile {
        /// Directory.
        path: PathBuf,
    },
    /// It is damaged.
    #[error(
        "the journal {} is damaged: {reason}. Nothing of it was changed. Move it aside and begin a new one: mv {0} {0}.damaged",
        path.display(),
    )]
    Damaged {
        /// File.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file system refuses.
    #[error("cannot use the journal {}: {source}. Make room, mend its rights, or name another --state-dir", path.display())]
    Refused {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

impl JournalError {
    /// What an error of the store means.
    pub(super) fn of(path: PathBuf, error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { path },
            redb::Error::Io(source) if source.kind() != io::ErrorKind::InvalidData => {
                Self::refused(path, source)
            }
            error => Self::Damaged { path, reason: error.to_string() },
        }
    }

    /// What an error of the system means.
    pub(super) fn refused(path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::IsADirectory => Self::NotAFile { path },
            _ => Self::Refused { path, source },
        }
    }
}
