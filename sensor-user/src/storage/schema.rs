//! The tables, and how a connection to them is made.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::StorageError;

/// The newest schema that this program knows; `PRAGMA user_version` of the database.
pub(super) const VERSION: i64 = 1;

/// Time that a connection waits for another one's lock.
const BUSY: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE documents (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    incident TEXT,
    severity INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX documents_by_incident ON documents (incident, sequence) WHERE incident IS NOT NULL;
CREATE INDEX documents_by_time ON documents (at);
CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    severity INTEGER NOT NULL,
    last INTEGER NOT NULL,
    open INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;
CREATE INDEX incidents_by_time ON incidents (last);
CREATE TABLE connections (key BLOB PRIMARY KEY, state BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE terms (
    rule TEXT NOT NULL,
    value TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (rule, value)
) STRICT, WITHOUT ROWID;
CREATE TABLE exemption_hits (id TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cursors (sink TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

/// Opens a database to write it, made when it is missing; its owner alone may read it.
///
/// # Errors
/// [`StorageError`]
pub(super) fn open(path: &Path) -> Result<Connection, StorageError> {
    let failed =
        |operation| move |source| StorageError::Database { operation, path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|source| StorageError::Directory { path: path.to_owned(), source })?;
    let connection = Connection::open(path).map_err(failed("open"))?;
    connection.busy_timeout(BUSY).map_err(failed("open"))?;
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed("read"))?;
    if version > VERSION {
        return Err(StorageError::Newer { path: path.to_owned(), found: version, known: VERSION });
    }
    let set_up = || -> rusqlite::Result<()> {
        if version == 0 {
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        // The writer makes checkpoints itself, when no document waits.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "cache_size", -8_192)?;
        if version == 0 {
            connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        // A page that cannot be read is found now, and not in the middle of a run.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        Ok(())
    };
    set_up().map_err(failed("set up"))?;
    Ok(connection)
}

/// Opens a database to read it, whoever else writes it.
///
/// # Errors
/// [`StorageError`]
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StorageError> {
    let failed = |source| StorageError::Database { operation: "open", path: path.to_owned(), source };
    if !path.exists() {
        let directory = path.parent().unwrap_or(path).to_owned();
        return Err(StorageError::Missing { path: directory });
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    };
    let (connection, version) = match version(&connection) {
        Ok(version) => (connection, version),
        Err(first) => {
            // On a file system that takes no writes, the shared memory of the write-ahead log cannot be made: without a writer the
            // file is read as it is.
            let uri = format!("file:{}?immutable=1", path.display());
            let connection = Connection::open_with_flags(uri, flags).map_err(failed)?;
            let version = version(&connection).map_err(|_| failed(first))?;
            (connection, version)
        }
    };
    if version > VERSION {
        return Err(StorageError::Newer { path: path.to_owned(), found: version, known: VERSION });
    }
    Ok(connection)
}
