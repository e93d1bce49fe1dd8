//! The only writer of the database. It groups what waits into one transaction, makes checkpoints when nothing waits, and holds on
//! to what the disk does not take.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, Transaction, params};
use tracing::{info, warn};

use super::{
    Bounds, Committed, Handle, RowBatch, Rows, StorageError, lock::Lock, migrate, reader, retention, schema,
};
use crate::{runtime::fault, wall_clock};

/// Batches that may wait for the writer.
const MAX_WAITING: usize = 1_024;

/// Rows that one transaction takes.
const MAX_GROUP: usize = 4_096;

/// Time before a commit that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Time between two looks at what is too old.
const RETENTION: Duration = Duration::from_secs(60);

/// Bytes of the write-ahead log from which on a checkpoint is made when nothing waits, and at which it is made in any case.
const CHECKPOINT_AT: u64 = 4 << 20;
const CHECKPOINT_MUST: u64 = 64 << 20;

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
    bounds: Bounds,
    failing: Option<Instant>,
    looked: Option<Instant>,
    _lock: Lock,
}

impl Writer {
    /// Opens the store of a state directory, made when it is missing. A damaged database is moved aside, and a new one begins; `since` is
    /// the time from which on incidents that are closed are of interest.
    ///
    /// # Errors
    /// [`StorageError`], with what to do.
    pub fn open(state_dir: &Path, bounds: Bounds, since: i64) -> Result<Opened, StorageError> {
        let lock = Lock::take(state_dir)?;
        let path = super::file(state_dir);
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
        let (loaded, connection) = match opened {
            Err(error) if error.is_damage() => {
                let aside = set_aside(&path)
                    .map_err(|source| StorageError::Directory { path: path.clone(), source })?;
                warn!(
                    "{error}. The damaged database is now {}, and a new one begins: incidents and known destinations from before \
                     are not known any more",
                    aside.display()
                );
                let connection = schema::open(&path)?;
                (load(&connection, &path, since)?, connection)
            }
            opened => opened?,
        };
        let (rows, sequence) = loaded;
        let (sender, batches) = sync_channel(MAX_WAITING);
        let committed = Committed::default();
        committed.advance(sequence, &[]);
        let handle = Handle { sender, committed: committed.clone(), alive: Arc::default() };
        let handles = Arc::downgrade(&handle.alive);
        let writer = Self {
            connection,
            path,
            batches,
            committed,
            handles,
            bounds,
            failing: None,
            looked: None,
            _lock: lock,
        };
        Ok(Opened { writer, handle, rows })
    }

    /// Commits what is handed over, until the last handle is gone.
    ///
    /// # Errors
    /// When the database is damaged while it runs, or what was handed over could not be committed at the end.
    pub fn run(mut self) -> Result<(), StorageError> {
        let mut pending: Vec<RowBatch> = Vec::new();
        self.look_after();
        loop {
            fault::point("store-writer");
            let ended = self.gather(&mut pending);
            if !pending.is_empty() {
                match self.commit(&pending) {
                    Ok(sequence) => {
                        self.committed.advance(sequence, &pending);
                        pending.clear();
                        if self.failing.take().is_some() {
                            info!("the store takes documents again");
                        }
                    }
                    Err(error) if error.is_damage() || self.handles.strong_count() == 0 => return Err(error),
                    Err(error) => self.note_failure(&error),
                }
            }
            self.look_after();
            if ended && pending.is_empty() {
                // The log is emptied, so that the database is one file.
                let _ = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
                return Ok(());
            }
        }
    }

    /// Waits for a batch and takes what waits behind it; gives whether there is nobody left to hand over any. What could not be
    /// committed stays, and no more than a transaction takes is added to it: the rest waits in the channel, which is the bound.
    fn gather(&self, pending: &mut Vec<RowBatch>) -> bool {
        if !pending.is_empty() {
            thread::sleep(RETRY);
        } else {
            // Nothing to do until a batch comes, or until it is time to look at what is too old.
            let wait = if self.failing.is_some() { RETRY } else { RETENTION };
            match self.batches.recv_timeout(wait) {
                Ok(batch) => pending.push(batch),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
        let mut rows: usize = pending.iter().map(rows_of).sum();
        while rows < MAX_GROUP {
            match self.batches.try_recv() {
                Ok(batch) => {
                    rows += rows_of(&batch);
                    pending.push(batch);
                }
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    fn commit(&mut self, pending: &[RowBatch]) -> Result<u64, StorageError> {
        let path = self.path.clone();
        let write = |connection: &mut Connection| -> rusqlite::Result<u64> {
            let transaction = connection.transaction()?;
            for batch in pending {
                put(&transaction, batch)?;
            }
            let sequence = last_sequence(&transaction)?;
            transaction.commit()?;
            Ok(sequence)
        };
        write(&mut self.connection).map_err(|source| StorageError::Database {
            operation: "write",
            path,
            source,
        })
    }

    fn note_failure(&mut self, error: &StorageError) {
        self.committed.failed();
        // On a full disk the write-ahead log may be what takes the room.
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if self.failing.is_none() {
            warn!("{error}: documents wait in memory until the disk takes them");
        }
        self.failing.get_or_insert_with(Instant::now);
    }

    /// Makes checkpoints and enforces the bounds.
    fn look_after(&mut self) {
        if self.failing.is_some() {
            return;
        }
        let log = fs::metadata(self.path.with_extension("db-wal")).map_or(0, |about| about.len());
        let quiet = log >= CHECKPOINT_AT && self.committed.counts().waiting == 0;
        if quiet || log >= CHECKPOINT_MUST {
            let mode = if log >= CHECKPOINT_MUST { "TRUNCATE" } else { "PASSIVE" };
            let checkpoint = format!("PRAGMA wal_checkpoint({mode})");
            if let Err(source) = self.connection.query_row(&checkpoint, [], |_| Ok(())) {
                self.note_failure(&self.failed("make a checkpoint of", source));
            }
        }
        if self.looked.is_some_and(|at| at.elapsed() < RETENTION) {
            return;
        }
        self.looked = Some(Instant::now());
        match retention::enforce(&self.connection, self.bounds, wall_clock::now().unix_nanos()) {
            Ok(removed) => self.committed.expired(removed.documents, removed.waiting),
            Err(source) => self.note_failure(&self.failed("shorten", source)),
        }
    }

    fn failed(&self, operation: &'static str, source: rusqlite::Error) -> StorageError {
        StorageError::Database { operation, path: self.path.clone(), source }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.committed.end();
    }
}

fn rows_of(batch: &RowBatch) -> usize {
    batch.documents.len() + batch.incidents.len() + batch.terms.len() + 1
}

fn last_sequence(connection: &Connection) -> rusqlite::Result<u64> {
    let last = connection
        .query_row("SELECT coalesce(max(seq), 0) FROM sqlite_sequence", [], |row| row.get::<_, i64>(0))?;
    Ok(last.cast_unsigned())
}

fn load(connection: &Connection, path: &Path, since: i64) -> Result<(Rows, u64), StorageError> {
    let read = || -> rusqlite::Result<_> {
        Ok((reader::read_state(connection, since)?, last_sequence(connection)?))
    };
    read().map_err(|source| StorageError::Database { operation: "read", path: path.to_owned(), source })
}

/// Moves a damaged database and what belongs to it aside; gives its new name.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let aside = (0..1_000)
        .map(|number| path.with_extension(format!("db.damaged-{number}")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| path.with_extension("db.damaged"));
    fs::rename(path, &aside)?;
    for extension in ["db-wal", "db-shm"] {
        let beside = path.with_extension(extension);
        if beside.exists() {
            fs::rename(&beside, aside.with_extension(extension))?;
        }
    }
    Ok(aside)
}

/// Puts a batch into the database.
pub(super) fn put(transaction: &Transaction<'_>, batch: &RowBatch) -> rusqlite::Result<()> {
    if !batch.documents.is_empty() {
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO documents (id, kind, incident, severity, at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for one in &batch.documents {
            insert.execute(params![one.id, one.kind as i64, one.incident, one.severity, one.at, one.body])?;
        }
    }
    if !batch.incidents.is_empty() {
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO incidents (id, severity, last, open, state) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET severity = ?2, last = ?3, open = ?4, state = ?5",
        )?;
        for one in &batch.incidents {
            upsert.execute(params![one.id, one.severity, one.last, one.open, one.state])?;
        }
    }
    if let Some(connections) = &batch.connections {
        transaction.execute("DELETE FROM connections", [])?;
        let mut insert =
            transaction.prepare_cached("INSERT OR REPLACE INTO connections (key, state) VALUES (?1, ?2)")?;
        for (key, state) in connections {
            insert.execute(params![key, state])?;
        }
    }
    if !batch.terms.is_empty() {
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO terms (rule, value, last) VALUES (?1, ?2, ?3)
             ON CONFLICT (rule, value) DO UPDATE SET last = max(last, ?3)",
        )?;
        for (rule, value, last) in &batch.terms {
            upsert.execute(params![rule, value, last])?;
        }
    }
    for (rule, before) in &batch.forgotten_terms {
        transaction.execute("DELETE FROM terms WHERE rule = ?1 AND last < ?2", params![rule, before])?;
    }
    if let Some(hits) = &batch.hits {
        transaction.execute("DELETE FROM exemption_hits", [])?;
        for (id, state) in hits {
            transaction
                .execute("INSERT INTO exemption_hits (id, state) VALUES (?1, ?2)", params![id, state])?;
        }
    }
    for (sink, sequence) in &batch.cursors {
        transaction.execute(
            "INSERT INTO cursors (sink, sequence) VALUES (?1, ?2) ON CONFLICT (sink) DO UPDATE SET sequence = max(sequence, ?2)",
            params![sink, sequence.cast_signed()],
        )?;
    }
    for (key, value) in &batch.meta {
        transaction.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
            params![key, value],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
