//! Reads the store for sinks and commands, with or without a running agent.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Value};
use sensor_core::level::Severity;

use super::{
    ContactRow, DocumentKind, DocumentQuery, DocumentRow, IdentifierQuery, IncidentOrder, IncidentQuery,
    IncidentRow, Rows, StorageError, VerdictRow, numbers, open_to_read::open_to_read, schema,
};

/// Documents that are read at once.
const PAGE: u64 = 512;

/// Candidates that an ambiguous identifier lists.
const MAX_CANDIDATES: usize = 8;

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens the database of a state directory.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn open(state_dir: &Path) -> Result<Self, StorageError> {
        let path = super::file(state_dir);
        Ok(Self { connection: open_to_read(&path)?, path })
    }

    /// Documents that fit, in their order, one after another; ends early when `each` says so by `false`. However long that takes, it
    /// does not keep the writer from emptying its log.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn documents(
        &self,
        query: &DocumentQuery,
        mut each: impl FnMut(DocumentRow) -> bool,
    ) -> Result<(), StorageError> {
        let brief = self.run(schema::brief)?;
        let mut text = format!(
            "SELECT sequence, id, kind, severity, at, body, {brief} FROM documents WHERE sequence > ?"
        );
        let mut values = vec![Value::Integer(query.after.cast_signed())];
        let mut and = |condition: &str, value: Value| {
            text.push_str(" AND ");
            text.push_str(condition);
            values.push(value);
        };
        if let Some(kind) = query.kind {
            and("kind = ?", Value::Integer(kind as i64));
        }
        if query.min_severity.is_some() {
            and("(kind = 2 OR severity >= ?)", Value::Integer(numbers::of_severity(query.min_severity)));
        }
        if let Some(incident) = &query.incident {
            and("incident = ?", Value::Text(incident.clone()));
        }
        if let Some(since) = query.since {
            and("at >= ?", Value::Integer(since));
        }
        if let Some(until) = query.until {
            and("at < ?", Value::Integer(until));
        }
        let mut left = if query.limit == 0 { u64::MAX } else { query.limit };
        let at_once = PAGE.min(left);
        text.push_str(&format!(" ORDER BY sequence LIMIT {at_once}"));
        loop {
            let page = self.run(|connection| {
                let mut statement = connection.prepare_cached(&text)?;
                let rows = statement.query_map(rusqlite::params_from_iter(&values), document)?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            })?;
            let is_last = (page.len() as u64) < at_once;
            for document in page {
                values[0] = Value::Integer(document.sequence.cast_signed());
                left -= 1;
                if !each(document) || left == 0 {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The short forms of the latest summaries of connections, the last one first.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn latest_flows(&self, limit: u64) -> Result<Vec<Vec<u8>>, StorageError> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT state FROM flows ORDER BY sequence DESC LIMIT ?1")?;
            let rows = statement.query_map([limit.cast_signed()], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// Incidents that the quota held back, by rule, as summaries say that were written from one time until another (nanoseconds since
    /// the Unix epoch).
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn held_back(&self, since: i64, until: i64) -> Result<BTreeMap<String, u64>, StorageError> {
        self.run(|connection| {
            if !has_table(connection, "quotas")? {
                return Ok(BTreeMap::new());
            }
            // Two summaries are about the same window: one when the quota is reached, and one with the final count.
            let mut statement = connection.prepare_cached(
                "SELECT rule, sum(held_back) FROM (
                     SELECT rule, max(held_back) AS held_back FROM quotas JOIN documents USING (sequence)
                     WHERE at >= ?1 AND at < ?2 GROUP BY rule, since
                 ) GROUP BY rule HAVING sum(held_back) > 0",
            )?;
            let by_rule = statement
                .query_map([since, until], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            by_rule.collect()
        })
    }

    /// Incidents that fit: the worst first, and of these the latest.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn incidents(&self, query: &IncidentQuery) -> Result<Vec<IncidentRow>, StorageError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, severity, last, open, state FROM incidents
                 WHERE severity >= ?1 AND (?2 = 0 OR open = 1) AND last >= ?3
                 ORDER BY severity DESC, last DESC",
            )?;
            let since = query.since.unwrap_or(i64::MIN);
            let least = numbers::of_severity(query.min_severity);
            let rows = statement.query_map(params![least, query.open, since], incident)?;
            rows.collect()
        })
    }

    /// The days on which an external host had to do with internal ones, the first ones first, at most so many.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn contacts(&self, external: &str, limit: u64) -> Result<Vec<ContactRow>, StorageError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT internal, day, first, level FROM contacts WHERE external = ?1 ORDER BY first LIMIT ?2",
            )?;
            let rows = statement.query_map(params![external, limit.cast_signed()], |row| {
                let level = numbers::level(row.get(3)?);
                Ok(ContactRow { internal: row.get(0)?, day: row.get(1)?, first: row.get(2)?, level })
            })?;
            rows.collect()
        })
    }

    /// The verdict on an incident.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn verdict(&self, incident: &str) -> Result<Option<VerdictRow>, StorageError> {
        self.read_verdicts(Some(incident)).map(|mut found| found.pop())
    }

    /// All verdicts.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn verdicts(&self) -> Result<Vec<VerdictRow>, StorageError> {
        self.read_verdicts(None)
    }

    /// The verdict on one incident, or all of them.
    fn read_verdicts(&self, incident: Option<&str>) -> Result<Vec<VerdictRow>, StorageError> {
        self.run(|connection| {
            if !has_table(connection, "verdicts")? {
                return Ok(vec![]);
            }
            let mut statement = connection.prepare_cached(match incident {
                Some(_) => "SELECT incident, state FROM verdicts WHERE incident = ?1",
                None => "SELECT incident, state FROM verdicts WHERE ?1 IS NULL",
            })?;
            let rows = statement
                .query_map([incident], |row| Ok(VerdictRow { incident: row.get(0)?, state: row.get(1)? }))?;
            rows.collect()
        })
    }

    /// Identifiers of incidents that fit.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn identifiers(&self, query: &IdentifierQuery) -> Result<Vec<String>, StorageError> {
        let text = match query.order {
            IncidentOrder::Severity => {
                "SELECT id FROM incidents WHERE severity >= ?1 AND (?2 IS NULL OR open = ?2)
                 ORDER BY severity DESC, last DESC"
            }
            IncidentOrder::Time => {
                "SELECT id FROM incidents WHERE severity >= ?1 AND (?2 IS NULL OR open = ?2) ORDER BY last DESC"
            }
        };
        self.run(|connection| {
            let mut statement = connection.prepare_cached(text)?;
            let least = numbers::of_severity(query.min_severity);
            let rows = statement.query_map(params![least, query.open], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// The incident with this identifier.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn identified(&self, id: &str) -> Result<Option<IncidentRow>, StorageError> {
        self.run(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT id, severity, last, open, state FROM incidents WHERE id = ?1")?;
            statement.query_row([id], incident).optional()
        })
    }

    /// The incident whose identifier begins like this.
    ///
    /// # Errors
    /// [`StorageError::Ambiguous`] with the candidates.
    pub fn incident(&self, prefix: &str) -> Result<Option<IncidentRow>, StorageError> {
        let mut found = self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, severity, last, open, state FROM incidents WHERE substr(id, 1, length(?1)) = ?1 ORDER BY last DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![prefix, MAX_CANDIDATES as i64], incident)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        if found.len() > 1 {
            let candidates = found.into_iter().map(|row| row.id).collect();
            return Err(StorageError::Ambiguous { prefix: prefix.to_owned(), candidates });
        }
        Ok(found.pop())
    }

    /// The state of the agent; of incidents those that are open, or were active at or after `since`.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn state(&self, since: i64) -> Result<Rows, StorageError> {
        self.run(|connection| read_state(connection, since))
    }

    /// The stored hits of exemptions, by their identifiers.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn hits(&self) -> Result<BTreeMap<String, Vec<u8>>, StorageError> {
        self.run(read_hits)
    }

    /// A single value.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn value(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
            statement.query_row([key], |row| row.get(0)).optional()
        })
    }

    /// The place up to which a sink has delivered.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn cursor(&self, sink: &str) -> Result<Option<u64>, StorageError> {
        self.run(|connection| cursor(connection, sink))
    }

    /// The positions of all sinks, by name.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn cursors(&self) -> Result<BTreeMap<String, u64>, StorageError> {
        self.run(|connection| {
            let mut statement = connection.prepare("SELECT sink, sequence FROM cursors")?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            rows.collect()
        })
    }

    /// When the oldest document was written.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn oldest(&self) -> Result<Option<i64>, StorageError> {
        self.run(|connection| {
            connection
                .query_row("SELECT at FROM documents ORDER BY sequence LIMIT 1", [], |row| row.get(0))
                .optional()
        })
    }

    /// How many documents there are behind a place, of one kind or of any.
    ///
    /// # Errors
    /// [`StorageError`]
    pub fn waiting(&self, after: u64) -> Result<u64, StorageError> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT count(*) FROM documents WHERE sequence > ?1")?;
            statement.query_row([after.cast_signed()], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        })
    }

    fn run<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StorageError> {
        read(&self.connection).map_err(|source| StorageError::Database {
            operation: "read",
            path: self.path.clone(),
            source,
        })
    }
}

/// Whether there is this table: until its agent starts again, a database of an earlier version lacks some.
fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let text = "SELECT count(*) FROM sqlite_schema WHERE name = ?1";
    connection.query_row(text, [name], |row| Ok(row.get::<_, i64>(0)? > 0))
}

fn document(row: &Row<'_>) -> rusqlite::Result<DocumentRow> {
    Ok(DocumentRow {
        sequence: row.get::<_, i64>(0)?.cast_unsigned(),
        id: row.get(1)?,
        kind: DocumentKind::from_number(row.get(2)?),
        severity: numbers::severity(row.get(3)?),
        at: row.get(4)?,
        body: row.get(5)?,
        brief: row.get(6)?,
    })
}

fn incident(row: &Row<'_>) -> rusqlite::Result<IncidentRow> {
    Ok(IncidentRow {
        id: row.get(0)?,
        severity: numbers::severity(row.get(1)?).unwrap_or(Severity::Low),
        last: row.get(2)?,
        open: row.get(3)?,
        state: row.get(4)?,
    })
}

pub(super) fn cursor(connection: &Connection, sink: &str) -> rusqlite::Result<Option<u64>> {
    let mut statement = connection.prepare_cached("SELECT sequence FROM cursors WHERE sink = ?1")?;
    let mut rows = statement.query([sink])?;
    Ok(match rows.next()? {
        Some(row) => Some(row.get::<_, i64>(0)?.cast_unsigned()),
        None => None,
    })
}

pub(super) fn read_state(connection: &Connection, since: i64) -> rusqlite::Result<Rows> {
    let incidents = connection
        .prepare("SELECT id, severity, last, open, state FROM incidents WHERE open = 1 OR last >= ?1")?
        .query_map([since], incident)?
        .collect::<rusqlite::Result<_>>()?;
    let connections = connection
        .prepare("SELECT state FROM connections")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let terms = connection
        .prepare("SELECT rule, value, last FROM terms")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let meta = by_key(connection, "SELECT key, value FROM meta")?;
    Ok(Rows { incidents, connections, terms, hits: read_hits(connection)?, meta })
}

fn read_hits(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<u8>>> {
    by_key(connection, "SELECT id, state FROM exemption_hits")
}

/// The rows of a query for keys and values.
fn by_key(connection: &Connection, query: &str) -> rusqlite::Result<BTreeMap<String, Vec<u8>>> {
    connection.prepare(query)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
