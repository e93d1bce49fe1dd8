//! Makes a new database in place of a damaged one, with the rows that can still be read.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Statement, params_from_iter, types::Value};
use tracing::warn;

use super::{StorageError, files, schema};

/// Rows that one transaction copies.
const CHUNK: usize = 1_000;

/// Sequence numbers that are tried one by one behind unreadable pages, in all.
const MAX_TRIED: usize = 100_000;

/// Tables other than the documents, with their keys.
const TABLES: [(&str, &str); 10] = [
    ("incidents", "id"),
    ("verdicts", "incident"),
    ("contacts", "external, internal, day"),
    ("connections", "key"),
    ("flows", "sequence"),
    ("quotas", "sequence"),
    ("terms", "rule, value"),
    ("exemption_hits", "id"),
    ("cursors", "sink"),
    ("meta", "key"),
];

/// A database that took the place of a damaged one.
pub(super) struct Replacement {
    pub(super) connection: Connection,
    /// Where the damaged one is now.
    pub(super) aside: PathBuf,
    /// Documents that were copied.
    pub(super) copied: u64,
    /// Documents that could not be read; `None` where not even their number could.
    pub(super) lost: Option<u64>,
    /// Whether incidents, known destinations and cursors could all be read.
    pub(super) state_is_whole: bool,
    /// The last sequence number of a document, as far as it is known.
    sequence: i64,
}

/// Moves a damaged database aside and makes a new one with what can be read of it. Sequence numbers continue after `sequence`.
///
/// # Errors
/// When it cannot be moved, or the new one cannot be made.
pub(super) fn replace(path: &Path, sequence: u64) -> Result<Replacement, StorageError> {
    let aside = files::set_aside(path)?;
    let connection = schema::open(path)?;
    let sequence = sequence.cast_signed();
    let mut replacement =
        Replacement { connection, aside, copied: 0, lost: None, state_is_whole: false, sequence };
    // What cannot be copied is lost; the new database is there in any case.
    if let Err(error) = replacement.copy() {
        warn!("not everything is copied from {}: {error}", replacement.aside.display());
    }
    let failed = |source| StorageError::Database { operation: "set up", path: path.to_owned(), source };
    continue_behind(&replacement.connection, replacement.sequence).map_err(failed)?;
    Ok(replacement)
}

impl Replacement {
    fn copy(&mut self) -> rusqlite::Result<()> {
        let from = Connection::open_with_flags(&self.aside, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let expected = from
            .query_row("SELECT count(*) FROM documents INDEXED BY documents_by_time", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(i64::cast_unsigned);
        // The few rows of state first: should the disk be full, they are worth more.
        self.state_is_whole = true;
        for (table, key) in TABLES {
            self.state_is_whole &= copy_table(&from, &mut self.connection, table, key)?;
        }
        let of_lost = "DELETE FROM verdicts WHERE incident NOT IN (SELECT id FROM incidents)";
        self.connection.execute(of_lost, [])?;
        let last = from.query_row("SELECT coalesce(max(seq), 0) FROM sqlite_sequence", [], |row| row.get(0));
        self.sequence = self.sequence.max(*last.as_ref().unwrap_or(&0));
        let last = last.unwrap_or(i64::MAX);
        let copied = copy_documents(&from, &mut self.connection, last, &mut self.copied);
        for table in ["flows", "quotas"] {
            let of_lost =
                format!("DELETE FROM {table} WHERE sequence NOT IN (SELECT sequence FROM documents)");
            self.connection.execute(&of_lost, [])?;
        }
        self.lost = expected.ok().map(|expected| expected.saturating_sub(self.copied));
        copied
    }
}

/// Copies a table from its beginning and, if a row cannot be read, from its end. Returns whether all of it could be read.
fn copy_table(from: &Connection, to: &mut Connection, table: &str, key: &str) -> rusqlite::Result<bool> {
    // A database of an earlier version has no contacts, verdicts, short forms of flows and counts of the quota.
    let is_there = "SELECT count(*) FROM sqlite_schema WHERE name = ?1";
    if from.query_row(is_there, [table], |row| row.get::<_, i64>(0)) == Ok(0) {
        return Ok(["contacts", "flows", "quotas", "verdicts"].contains(&table));
    }
    for order in ["ASC", "DESC"] {
        let keys = key.replace(',', &format!(" {order},"));
        let Ok(mut statement) = from.prepare(&format!("SELECT * FROM {table} ORDER BY {keys} {order}"))
        else {
            return Ok(false);
        };
        let columns = statement.column_count();
        let places = vec!["?"; columns].join(", ");
        let transaction = to.transaction()?;
        {
            let mut insert =
                transaction.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({places})"))?;
            let mut rows = statement.query([])?;
            loop {
                match rows.next() {
                    Ok(Some(row)) => {
                        let Ok(values) = values(row, columns) else { break };
                        match insert.execute(params_from_iter(values)) {
                            Err(error) if !is_misfit(&error) => return Err(error),
                            _ => {}
                        }
                    }
                    Ok(None) if order == "ASC" => {
                        drop((rows, insert));
                        transaction.commit()?;
                        return Ok(true);
                    }
                    _ => break,
                }
            }
        }
        transaction.commit()?;
    }
    Ok(false)
}

/// Copies documents in their order. After one that cannot be read, it tries the next sequence numbers one by one.
fn copy_documents(
    from: &Connection,
    to: &mut Connection,
    last: i64,
    copied: &mut u64,
) -> rusqlite::Result<()> {
    let (mut after, mut tried) = (0, 0);
    let brief = schema::brief(from).unwrap_or("x''");
    let Ok(mut statement) = from.prepare(&format!(
        "SELECT sequence, id, kind, incident, severity, at, body, {brief} FROM documents WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
    )) else {
        return Ok(());
    };
    while after < last && tried < MAX_TRIED {
        match copy_chunk(&mut statement, to, &mut after, copied)? {
            Chunk::Full => {}
            Chunk::End => break,
            Chunk::Unreadable => {
                after += 1;
                tried += 1;
            }
        }
    }
    Ok(())
}

/// How the copying of some documents ended.
enum Chunk {
    /// There may be more.
    Full,
    /// There are no more.
    End,
    /// The next one cannot be read.
    Unreadable,
}

fn copy_chunk(
    from: &mut Statement<'_>,
    to: &mut Connection,
    after: &mut i64,
    copied: &mut u64,
) -> rusqlite::Result<Chunk> {
    let transaction = to.transaction()?;
    let mut read = 0;
    let ended = {
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO documents (sequence, id, kind, incident, severity, at, body, brief) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let mut rows = from.query((*after, CHUNK as i64))?;
        loop {
            // A value that is not of its kind is as unreadable as a page.
            let values = match rows.next() {
                Ok(Some(row)) => values(row, 8),
                Ok(None) => break if read < CHUNK { Chunk::End } else { Chunk::Full },
                Err(_) => break Chunk::Unreadable,
            };
            let Ok(values) = values else { break Chunk::Unreadable };
            let Some(Value::Integer(sequence)) = values.first() else { break Chunk::Unreadable };
            *after = *sequence;
            read += 1;
            match insert.execute(params_from_iter(values)) {
                Err(error) if !is_misfit(&error) => return Err(error),
                inserted => *copied += inserted.unwrap_or_default() as u64,
            }
        }
    };
    transaction.commit()?;
    if read > 0 {
        to.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    }
    Ok(ended)
}

/// Whether a row does not fit its table, as a damaged page may have it.
fn is_misfit(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

fn values(row: &Row<'_>, columns: usize) -> rusqlite::Result<Vec<Value>> {
    (0..columns).map(|column| row.get(column)).collect()
}

/// Lets sequence numbers continue after `sequence` and after every cursor, because a sink skips all that is before its cursor.
fn continue_behind(connection: &Connection, sequence: i64) -> rusqlite::Result<()> {
    let cursors: i64 =
        connection.query_row("SELECT coalesce(max(sequence), 0) FROM cursors", [], |row| row.get(0))?;
    let place = cursors.max(sequence);
    let changed = connection
        .execute("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'documents'", [place])?;
    if changed == 0 {
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('documents', ?1)", [place])?;
    }
    Ok(())
}
