//! Reads every page of the database while the writer works, so that damage is found before the page is needed.

use std::{
    path::Path,
    sync::mpsc::{Receiver, TryRecvError, sync_channel},
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, InterruptHandle, OpenFlags};

use super::StorageError;

/// A check that runs on a thread of its own.
pub(super) struct Check {
    found: Receiver<rusqlite::Result<String>>,
    interrupt: InterruptHandle,
    thread: Option<JoinHandle<()>>,
}

/// The result of a check so far.
pub(super) enum Found {
    /// The check is not finished.
    Nothing,
    /// Every page is in order, or the check was interrupted.
    NoDamage,
    /// Damage, in SQLite's words.
    Damage(String),
}

impl Check {
    /// Begins to check a database.
    ///
    /// # Errors
    /// When it cannot be opened, or there is no thread to be had.
    pub(super) fn start(path: &Path) -> Result<Self, StorageError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|source| StorageError::Database { operation: "check", path: path.to_owned(), source })?;
        let interrupt = connection.get_interrupt_handle();
        let (sender, found) = sync_channel(1);
        let check = move || {
            let _ = sender.send(connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)));
        };
        let thread = thread::Builder::new()
            .name("store-check".to_owned())
            .spawn(check)
            .map_err(|source| StorageError::Directory { path: path.to_owned(), source })?;
        Ok(Self { found, interrupt, thread: Some(thread) })
    }

    /// The result so far.
    pub(super) fn found(&self) -> Found {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self.found.try_recv() {
            Err(TryRecvError::Empty) => Found::Nothing,
            Ok(Ok(reported)) if reported != "ok" => Found::Damage(reported),
            Ok(Err(error)) if matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)) => {
                Found::Damage(error.to_string())
            }
            Ok(_) | Err(TryRecvError::Disconnected) => Found::NoDamage,
        }
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.interrupt.interrupt();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
