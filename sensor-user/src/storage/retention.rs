//! What is removed when it is too old, or when there is too much: summaries of connections first, documents of incidents then.

use rusqlite::{Connection, params};

use super::{Bounds, DocumentKind};

/// Documents that one step removes.
const STEP: i64 = 2_000;

/// Steps of one round: the rest waits for the next.
const MAX_STEPS: usize = 32;

/// What a round removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    /// Documents.
    pub(super) documents: u64,
    /// Of these, documents that a sink had not delivered.
    pub(super) waiting: u64,
}

/// Removes what goes beyond the bounds at `now`, nanoseconds since the Unix epoch.
pub(super) fn enforce(connection: &Connection, bounds: Bounds, now: i64) -> rusqlite::Result<Removed> {
    let age = i64::try_from(bounds.days).unwrap_or(i64::MAX).saturating_mul(86_400_000_000_000);
    let oldest = now.saturating_sub(age);
    let delivered: i64 =
        connection.query_row("SELECT coalesce(min(sequence), 0) FROM cursors", [], |row| row.get(0))?;
    let mut removed = Removed::default();
    let mut remove = |condition: &str, value: i64| -> rusqlite::Result<usize> {
        let chosen =
            format!("SELECT sequence FROM documents WHERE {condition} ORDER BY sequence LIMIT {STEP}");
        let waiting: i64 = connection.query_row(
            &format!("SELECT count(*) FROM ({chosen}) WHERE sequence > ?2"),
            params![value, delivered],
            |row| row.get(0),
        )?;
        let count = connection
            .execute(&format!("DELETE FROM documents WHERE sequence IN ({chosen})"), params![value])?;
        removed.documents += count as u64;
        removed.waiting += waiting.cast_unsigned();
        Ok(count)
    };
    for _ in 0..MAX_STEPS {
        if remove("at < ?1", oldest)? == 0 {
            break;
        }
    }
    for _ in 0..MAX_STEPS {
        if used(connection)? <= bounds.bytes {
            break;
        }
        if remove("kind = ?1", DocumentKind::Flow as i64)? == 0
            && remove("kind = ?1", DocumentKind::Incident as i64)? == 0
        {
            break;
        }
    }
    connection.execute("DELETE FROM incidents WHERE open = 0 AND last < ?1", [oldest])?;
    connection.execute_batch("PRAGMA incremental_vacuum(2000)")?;
    Ok(removed)
}

/// Bytes of the database that are in use.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    };
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(pages * pragma("page_size")?)
}
