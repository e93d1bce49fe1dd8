//! The tables, and how a connection to them is made.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use rusqlite::{Connection, config::DbConfig};

use super::StorageError;

/// The newest schema that this program knows; `PRAGMA user_version` of the database.
pub(super) const VERSION: i64 = 1;

/// Time that a connection waits for another one's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Statements of the writer that are kept ready.
const STATEMENTS: usize = 32;

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

/// Which external host had to do with which internal one on which day. A database of an earlier version gets it when it is opened
/// to be written.
const CONTACTS: &str = "
CREATE TABLE IF NOT EXISTS contacts (
    external TEXT NOT NULL,
    internal TEXT NOT NULL,
    day INTEGER NOT NULL,
    first INTEGER NOT NULL,
    level INTEGER NOT NULL,
    PRIMARY KEY (external, internal, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS contacts_by_day ON contacts (day);
";

/// The summaries of connections in short form; each goes with its document. A database of an earlier version gets them likewise.
const FLOWS: &str = "
CREATE TABLE IF NOT EXISTS flows (sequence INTEGER PRIMARY KEY, state BLOB NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS flows_go_with_documents AFTER DELETE ON documents WHEN old.kind = 2
    BEGIN DELETE FROM flows WHERE sequence = old.sequence; END;
";

/// The counts of summaries of the quota; each goes with its document. A database of an earlier version gets them likewise.
const QUOTAS: &str = "
CREATE TABLE IF NOT EXISTS quotas (
    sequence INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    since INTEGER NOT NULL,
    held_back INTEGER NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS quotas_go_with_documents AFTER DELETE ON documents WHEN old.kind = 1
    BEGIN DELETE FROM quotas WHERE sequence = old.sequence; END;
";

/// Where documents keep what outputs with a format of their own say of them. A database of an earlier version gets it likewise.
const BRIEF: &str = "ALTER TABLE documents ADD COLUMN brief BLOB";

/// Verdicts on incidents. A verdict goes with its incident.
const VERDICTS: &str = "
CREATE TABLE IF NOT EXISTS verdicts (incident TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS verdict_of_removed AFTER DELETE ON incidents
    BEGIN DELETE FROM verdicts WHERE incident = OLD.id; END;
";

/// What a database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// No table.
    Nothing,
    /// The tables of this program, with this schema.
    Ours(i64),
    /// Tables of another program.
    Foreign,
}

/// Looks at what a database holds.
pub(super) fn content(connection: &Connection) -> rusqlite::Result<Content> {
    let (tables, ours) = connection.query_row(
        "SELECT count(*), coalesce(sum(name IN ('documents', 'incidents', 'cursors')), 0) FROM sqlite_schema",
        [],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
    )?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(match (tables, ours, version) {
        (0, _, 0) => Content::Nothing,
        (_, 3, 1..) => Content::Ours(version),
        _ => Content::Foreign,
    })
}

fn has_brief(connection: &Connection) -> rusqlite::Result<bool> {
    let text = "SELECT count(*) FROM pragma_table_info('documents') WHERE name = 'brief'";
    connection.prepare_cached(text)?.query_row([], |row| Ok(row.get::<_, i64>(0)? > 0))
}

/// What to select for [`NewDocument::brief`](super::NewDocument::brief).
pub(super) fn brief(connection: &Connection) -> rusqlite::Result<&'static str> {
    has_brief(connection).map(|has| if has { "coalesce(brief, x'')" } else { "x''" })
}

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
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A damaged database is to stay as it is, with its log; at an orderly end the writer empties the log itself.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed("open"))?;
    let is_new = match content(&connection).map_err(failed("read"))? {
        Content::Nothing => true,
        Content::Ours(VERSION) => false,
        Content::Ours(found) => {
            return Err(StorageError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        Content::Foreign => return Err(StorageError::Foreign { path: path.to_owned() }),
    };
    let set_up = || -> rusqlite::Result<()> {
        if is_new {
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        // The writer makes checkpoints itself, when no document waits.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        // A log that begins again gives up its room, so that its length is what there is to check in.
        connection.pragma_update(None, "journal_size_limit", 0)?;
        connection.pragma_update(None, "cache_size", -8_192)?;
        if is_new {
            connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        connection.execute_batch(CONTACTS)?;
        connection.execute_batch(FLOWS)?;
        connection.execute_batch(QUOTAS)?;
        connection.execute_batch(VERDICTS)?;
        if has_brief(&connection)? { Ok(()) } else { connection.execute_batch(BRIEF) }
    };
    set_up().map_err(failed("set up"))?;
    Ok(connection)
}
