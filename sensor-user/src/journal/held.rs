//! The file of the store as it is held: open; or closed since it failed, and then it can be read all the same.

use std::{io, mem, path::Path, sync::Arc};

use redb::Database;

use super::{
    Entry,
    store::{EVERYTHING, prepare, write},
};
use crate::store;

/// The file of the store.
pub(super) enum Held {
    /// Open.
    Open(Arc<Database>),
    /// Closed, for the disk is full, say; it is opened again by the next commit.
    Failed {
        /// Documents that it did not take.
        untaken: Vec<Arc<Entry>>,
        /// What is in the file, with those documents, as far as somebody asked for it.
        read: Option<Arc<Database>>,
    },
    /// Closed for good.
    Ended,
}

impl Held {
    /// The database, to write to it; opened if it is closed. Not while somebody reads the file beside it.
    pub(super) fn writable(&mut self, path: &Path) -> Result<Arc<Database>, redb::Error> {
        match self {
            Self::Open(database) => return Ok(Arc::clone(database)),
            Self::Failed { read: Some(read), .. } if Arc::strong_count(read) > 1 => {
                return Err(other("it is being read, and is opened when that is over"));
            }
            Self::Failed { read, .. } => *read = None,
            Self::Ended => return Err(other("it was closed")),
        }
        let database = Arc::new(store::open(path)?);
        *self = Self::Open(Arc::clone(&database));
        Ok(database)
    }

    /// The database, to read it. Of one that is closed nothing is written: it may be on a disk that is full.
    pub(super) fn readable(&mut self, path: &Path) -> Result<Arc<Database>, redb::Error> {
        match self {
            Self::Open(database) => Ok(Arc::clone(database)),
            Self::Failed { read: Some(read), .. } => Ok(Arc::clone(read)),
            Self::Failed { untaken, read } => {
                let database = store::open_unwritten(path)?;
                let (_, stand) = store::whole(|| prepare(&database))?;
                write(&database, EVERYTHING, untaken, None, stand.cursor, 0)?;
                Ok(Arc::clone(read.insert(Arc::new(database))))
            }
            Self::Ended => Err(other("it was closed")),
        }
    }

    /// The file did not take these documents.
    pub(super) fn fail(&mut self, untaken: &[Arc<Entry>]) {
        let untaken = untaken.to_vec();
        *self = match mem::replace(self, Self::Ended) {
            Self::Ended => Self::Ended,
            // Whoever reads it goes on.
            Self::Failed { read: Some(read), .. } if Arc::strong_count(&read) > 1 => {
                Self::Failed { untaken, read: Some(read) }
            }
            _ => Self::Failed { untaken, read: None },
        };
    }
}

fn other(reason: &str) -> redb::Error {
    redb::Error::Io(io::Error::other(reason))
}
