//! The only writer of the database. It groups waiting batches into one transaction, does the upkeep while none waits, and keeps
//! batches that the disk does not accept.

mod damage;
mod upkeep;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, config::DbConfig};
use tracing::{error, info, warn};

use self::upkeep::Upkeep;
use super::{
    Bounds, Committed, Handle, RowBatch, Rows, StorageError, check::Check, error::Remedy, files, insert::put,
    lock::Lock, migrate, reader, schema,
};
use crate::runtime::{Wait, fault, waiting};

/// Batches that may wait for the writer.
const MAX_WAITING: usize = 1_024;

/// Rows that one transaction takes.
const MAX_GROUP: usize = 4_096;

/// Time before a commit that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Time for which a disk may fail before the agent ends with it. One that is full may be so for ever.
const FAILS_FOR: Duration = Duration::from_secs(60);

/// Time without a batch after which nothing is taken to wait.
const QUIET: Duration = Duration::from_millis(50);

/// A store that was opened.
pub struct Opened {
    /// To be run on a thread of its own.
    pub writer: Writer,
    /// To hand batches over.
    pub handle: Handle,
    /// What was kept; of incidents those that are open or were active lately.
    pub rows: Rows,
}

/// The only writer.
pub struct Writer {
    connection: Connection,
    path: PathBuf,
    batches: Receiver<RowBatch>,
    committed: Committed,
    /// Goes with the last handle.
    handles: Weak<()>,
    upkeep: Upkeep,
    failing: Option<Instant>,
    check: Option<Check>,
    _lock: Lock,
}

/// What came of waiting for batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gathered {
    /// There are some, or there is other work.
    Work,
    /// None came for a while.
    Quiet,
    /// Nobody is left to hand over any.
    Ended,
}

impl Writer {
    /// Opens the store of a state directory, made when it is missing. A damaged database is moved aside, and a new one begins with what
    /// can be read of it; `since` is the time from which on incidents that are closed are of interest.
    ///
    /// # Errors
    /// [`StorageError`], with what to do.
    pub fn open(state_dir: &Path, bounds: Bounds, since: i64) -> Result<Opened, StorageError> {
        let lock = Lock::take(state_dir)?;
        let path = super::file(state_dir);
        let committed = Committed::default();
        let open = || -> Result<_, StorageError> {
            let mut connection = schema::open(&path)?;
            migrate::take_over(&mut connection, state_dir).map_err(|source| StorageError::Database {
                operation: "take over the state of an earlier version into",
                path: path.clone(),
                source,
            })?;
            Ok((load(&connection, &path, since)?, connection))
        };
        let opened = open();
        let ((rows, sequence), connection) = match opened {
            Err(error) if error.is_damage() => {
                let connection = damage::replace(&path, &committed, &error.cause())?;
                (load(&connection, &path, since)?, connection)
            }
            opened => opened?,
        };
        let (sender, batches) = sync_channel(MAX_WAITING);
        committed.advance(sequence, vec![], vec![]);
        let handle = Handle { sender, committed: committed.clone(), alive: Arc::default() };
        let handles = Arc::downgrade(&handle.alive);
        let upkeep = Upkeep::new(bounds, rows.meta.get(super::age::MARKS).map(Vec::as_slice));
        let writer = Self {
            connection,
            path,
            batches,
            committed,
            handles,
            upkeep,
            failing: None,
            check: None,
            _lock: lock,
        };
        Ok(Opened { writer, handle, rows })
    }

    /// Commits what is handed over, until the last handle is gone.
    ///
    /// # Errors
    /// When nothing can be written any more, or what was handed over could not be committed at the end.
    pub fn run(mut self) -> Result<(), StorageError> {
        let mut pending: Vec<RowBatch> = Vec::new();
        self.check = waiting(Wait::Disk, || Check::start(&self.path))
            .inspect_err(|error| warn!("{} is not checked for damage: {error}", self.path.display()))
            .ok();
        loop {
            fault::point("store-writer-itself");
            waiting(Wait::Disk, || fault::point("store-writer"));
            let gathered = self.gather(&mut pending);
            self.look_for_damage()?;
            self.write(&mut pending)?;
            self.tend(gathered)?;
            if gathered == Gathered::Ended && pending.is_empty() {
                self.end_check();
                // The log is emptied, and goes if nobody reads, so that the database is one file.
                self.empty_log();
                let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
                return Ok(());
            }
        }
    }

    /// Waits for a batch and takes what waits behind it. What could not be committed stays, and no more than a transaction takes is
    /// added to it: the rest waits in the channel, which is the bound.
    fn gather(&self, pending: &mut Vec<RowBatch>) -> Gathered {
        if !pending.is_empty() {
            waiting(Wait::Work, || thread::sleep(RETRY));
        } else {
            let wait = match (&self.failing, &self.check) {
                (Some(_), _) | (_, Some(_)) => RETRY.min(self.upkeep.wait()),
                _ => self.upkeep.wait(),
            };
            match waiting(Wait::Work, || self.batches.recv_timeout(wait)) {
                Ok(batch) => pending.push(batch),
                Err(RecvTimeoutError::Timeout) => return Gathered::Quiet,
                Err(RecvTimeoutError::Disconnected) => return Gathered::Ended,
            }
        }
        let mut rows: usize = pending.iter().map(rows_of).sum();
        while rows < MAX_GROUP {
            match self.batches.try_recv() {
                Ok(batch) => {
                    rows += rows_of(&batch);
                    pending.push(batch);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Gathered::Ended,
            }
        }
        Gathered::Work
    }

    /// Commits pending batches. Those that the database does not accept now stay pending.
    fn write(&mut self, pending: &mut Vec<RowBatch>) -> Result<(), StorageError> {
        // All together, unless one of them is refused: then each for itself.
        let mut together = pending.len();
        while !pending.is_empty() {
            let group = together.min(pending.len());
            let error = match self.commit(&pending[..group]) {
                Ok((sequence, places)) => {
                    self.upkeep.note_written(&pending[..group]);
                    self.committed.advance(sequence, pending.drain(..group).collect(), places);
                    if self.failing.take().is_some() {
                        info!("the store takes documents again");
                    }
                    continue;
                }
                Err(error) => error,
            };
            match error.remedy() {
                Remedy::Replace => self.replace(&error.cause())?,
                Remedy::LeaveOut if group > 1 => together = 1,
                Remedy::LeaveOut => self.leave_out(pending.remove(0), &error),
                _ => return self.note_failure(error),
            }
        }
        Ok(())
    }

    /// Commits batches; gives the place of the last document that there is, and that of each of these, if it is new.
    fn commit(&mut self, pending: &[RowBatch]) -> Result<(u64, Vec<Option<u64>>), StorageError> {
        let write = |connection: &mut Connection| -> rusqlite::Result<_> {
            let transaction = connection.transaction()?;
            let mut places = Vec::new();
            for batch in pending {
                places.append(&mut put(&transaction, batch)?);
            }
            let sequence = last_sequence(&transaction)?;
            transaction.commit()?;
            Ok((sequence, places))
        };
        waiting(Wait::Disk, || write(&mut self.connection)).map_err(|source| self.failed("write", source))
    }

    /// Drops a batch that the database will never accept.
    fn leave_out(&self, batch: RowBatch, why: &StorageError) {
        let documents = batch.documents.len() as u64;
        error!("{documents} documents are lost, because the database refuses their batch: {why}");
        self.committed.lost(documents);
        self.committed.advance(0, vec![batch], vec![]);
    }

    /// Something failed and may be tried again.
    ///
    /// # Errors
    /// The error, where trying again is of no use, or has been for long enough, or nobody is left to wait for it.
    fn note_failure(&mut self, error: StorageError) -> Result<(), StorageError> {
        let failing_for = self.failing.map_or(Duration::ZERO, |since| since.elapsed());
        let is_final = match error.remedy() {
            Remedy::Wait => false,
            Remedy::WaitAWhile => failing_for > FAILS_FOR,
            _ => true,
        };
        if is_final || self.handles.strong_count() == 0 {
            return Err(error);
        }
        self.committed.failed(&error);
        // On a full disk the write-ahead log may be what takes the room.
        self.empty_log();
        if self.failing.is_none() {
            warn!("{error}: documents wait in memory until the disk takes them");
        }
        self.failing.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Ends the check of the database, whose thread may be in the middle of a read.
    fn end_check(&mut self) {
        waiting(Wait::Disk, || self.check = None);
    }

    fn empty_log(&self) {
        let empty = || self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let _ = waiting(Wait::Disk, empty);
    }

    fn failed(&self, operation: &'static str, source: rusqlite::Error) -> StorageError {
        let path = self.path.clone();
        let error = StorageError::Database { operation, path, source };
        // SQLite calls this an I/O error, like that of a disk that may recover.
        if matches!(error.remedy(), Remedy::Wait | Remedy::WaitAWhile)
            && waiting(Wait::Disk, || files::is_on_read_only(&self.path))
        {
            return StorageError::ReadOnly { operation, path: self.path.clone() };
        }
        error
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.committed.end();
    }
}

fn rows_of(batch: &RowBatch) -> usize {
    let connections = batch.changed_connections.len();
    batch.documents.len() + batch.incidents.len() + batch.terms.len() + connections + 1
}

fn last_sequence(connection: &Connection) -> rusqlite::Result<u64> {
    let last = connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence")?
        .query_row([], |row| row.get::<_, i64>(0))?;
    Ok(last.cast_unsigned())
}

fn load(connection: &Connection, path: &Path, since: i64) -> Result<(Rows, u64), StorageError> {
    let read = || -> rusqlite::Result<_> {
        Ok((reader::read_state(connection, since)?, last_sequence(connection)?))
    };
    read().map_err(|source| StorageError::Database { operation: "read", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
