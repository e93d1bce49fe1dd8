//! Replaces a damaged database by a new one with the rows that can be read, while the agent runs.

use std::path::Path;

use rusqlite::Connection;
use tracing::error;

use super::{Check, Writer};
use crate::runtime::{Wait, waiting};
use crate::storage::{Committed, StorageError, check::Found, salvage};

/// Databases that are replaced in one run. After that the disk must be at fault.
const MAX_REPLACED: u64 = 3;

impl Writer {
    /// Replaces the database if the check or a reader found damage.
    pub(super) fn look_for_damage(&mut self) -> Result<(), StorageError> {
        let found = self.check.as_ref().map(Check::found);
        match found {
            Some(Found::Nothing) | None => {}
            Some(Found::NoDamage) => self.end_check(),
            Some(Found::Damage(reported)) => return self.replace(&reported.replace('\n', " ")),
        }
        if self.committed.is_damaged() {
            return self.replace("documents cannot be read");
        }
        Ok(())
    }

    /// Continues with another database.
    ///
    /// # Errors
    /// When there is no other to be had, or the disk damages one after another.
    pub(super) fn replace(&mut self, why: &str) -> Result<(), StorageError> {
        if self.committed.generation() >= MAX_REPLACED {
            return Err(StorageError::TooManyDamaged { path: self.path.clone(), count: MAX_REPLACED });
        }
        self.end_check();
        self.connection = waiting(Wait::Disk, || {
            // Closed before it is moved.
            self.connection = Connection::open_in_memory().map_err(|source| self.failed("leave", source))?;
            replace(&self.path, &self.committed, why)
        })?;
        self.upkeep.begin_anew();
        Ok(())
    }
}

/// Sets a damaged database aside and makes another one. Counts and logs the loss.
pub(super) fn replace(path: &Path, committed: &Committed, why: &str) -> Result<Connection, StorageError> {
    let replacement = salvage::replace(path, committed.sequence())?;
    let lost = match replacement.lost {
        Some(0) => "no document is lost".to_owned(),
        Some(lost) => format!("{lost} documents are lost"),
        None => "the number of lost documents is unknown".to_owned(),
    };
    let state = if replacement.state_is_whole {
        "incidents, known destinations and cursors are all there"
    } else {
        "incidents, known destinations or cursors are missing"
    };
    error!(
        "the database {} is damaged ({why}). It is kept as {}, and a new one begins: {} documents are copied, {lost}; {state}. \
         Check the disk; remove the damaged file when you do not need it any more",
        path.display(),
        replacement.aside.display(),
        replacement.copied
    );
    committed.replaced(replacement.lost.unwrap_or_default());
    Ok(replacement.connection)
}
