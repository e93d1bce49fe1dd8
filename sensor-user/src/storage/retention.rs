//! Removes documents that are too old or exceed the bound on size, a slice at a time. For the size, summaries of connections go
//! before documents of incidents. A closed incident goes with its last document.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::{DocumentKind, age::TooOld, numbers, rows::day_of, subscriber::RemovedDocument};

/// Documents that one slice removes.
const SLICE: i64 = 256;

/// Pages that one slice returns to the file system.
const PAGES: i64 = 256;

/// Contacts that stay when there is too much, while there are documents to remove.
const MAX_CONTACTS: i64 = 100_000;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    /// Documents.
    pub(super) documents: Vec<RemovedDocument>,
    /// Closed incidents, where there was no document to remove.
    pub(super) incidents: u64,
    /// Contacts, likewise.
    pub(super) contacts: u64,
}

/// Removes documents, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// No flow summary is left up to this sequence number, so a search starts after it.
    no_flow_up_to: i64,
}

impl Retention {
    /// Removes a slice of what is too old. Returns the default if nothing is left.
    pub(super) fn by_age(&self, connection: &mut Connection, old: &TooOld) -> rusqlite::Result<Removed> {
        let up_to = old.sequence.cast_signed();
        let mut removed = remove(connection, "sequence <= ?1", [up_to, 0])?.0;
        if removed.documents.is_empty() {
            removed.incidents = connection.execute(
                "DELETE FROM incidents WHERE id IN
                 (SELECT id FROM incidents WHERE open = 0 AND (last < ?1 OR last > ?2) LIMIT ?3)",
                params![old.from, old.to, SLICE],
            )? as u64;
            removed.contacts = connection.execute(
                "DELETE FROM contacts WHERE (external, internal, day) IN
                 (SELECT external, internal, day FROM contacts WHERE day < ?1 OR day > ?2 LIMIT ?3)",
                params![day_of(old.from), day_of(old.to), SLICE],
            )? as u64;
        }
        Ok(removed)
    }

    /// Removes a slice because of the size. Returns the default if nothing is left.
    pub(super) fn by_size(&mut self, connection: &mut Connection) -> rusqlite::Result<Removed> {
        let flow = DocumentKind::Flow as i64;
        let (removed, last) = remove(connection, "sequence > ?1 AND kind = ?2", [self.no_flow_up_to, flow])?;
        if !removed.documents.is_empty() {
            self.no_flow_up_to = last;
            return Ok(removed);
        }
        // Many short rows must not displace what they are about.
        let contacts: i64 = connection.query_row("SELECT count(*) FROM contacts", [], |row| row.get(0))?;
        if contacts > MAX_CONTACTS {
            return Ok(Removed { contacts: remove_contacts(connection)?, ..Removed::default() });
        }
        self.no_flow_up_to =
            connection.query_row("SELECT coalesce(max(sequence), 0) FROM documents", [], |row| row.get(0))?;
        let mut removed = remove(connection, "sequence > ?1", [0, 0])?.0;
        if removed.documents.is_empty() {
            removed.incidents = connection.execute(
                "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE open = 0 ORDER BY last LIMIT ?1)",
                [SLICE],
            )? as u64;
            removed.contacts = remove_contacts(connection)?;
        }
        Ok(removed)
    }
}

/// Removes the oldest contacts.
fn remove_contacts(connection: &Connection) -> rusqlite::Result<u64> {
    let removed = connection.execute(
        "DELETE FROM contacts WHERE (external, internal, day) IN
         (SELECT external, internal, day FROM contacts ORDER BY day LIMIT ?1)",
        [SLICE],
    )?;
    Ok(removed as u64)
}

/// Removes the first documents for which a condition holds, in one transaction. Returns the sequence number of the last one too.
fn remove(
    connection: &mut Connection,
    condition: &str,
    values: [i64; 2],
) -> rusqlite::Result<(Removed, i64)> {
    let transaction = connection.transaction()?;
    let (mut removed, mut last) = (Removed::default(), 0);
    let mut incidents = BTreeSet::new();
    {
        let mut delete = transaction.prepare_cached(&format!(
            "DELETE FROM documents WHERE sequence IN
             (SELECT sequence FROM documents WHERE {condition} AND ?2 = ?2 ORDER BY sequence LIMIT {SLICE})
             RETURNING sequence, incident, kind, severity"
        ))?;
        let mut rows = delete.query(values)?;
        while let Some(row) = rows.next()? {
            let sequence: i64 = row.get(0)?;
            removed.documents.push(RemovedDocument {
                sequence: sequence.cast_unsigned(),
                kind: DocumentKind::from_number(row.get(2)?),
                severity: numbers::severity(row.get(3)?),
            });
            last = last.max(sequence);
            incidents.extend(row.get::<_, Option<String>>(1)?);
        }
        let mut forget = transaction.prepare_cached(
            "DELETE FROM incidents WHERE id = ?1 AND open = 0
             AND NOT EXISTS (SELECT 1 FROM documents WHERE incident = ?1)",
        )?;
        for incident in &incidents {
            forget.execute([incident])?;
        }
    }
    transaction.commit()?;
    Ok((removed, last))
}

/// Returns some pages to the file system if the file is larger than `most` bytes. Returns whether there may be more.
pub(super) fn shrink(connection: &Connection, most: u64) -> rusqlite::Result<bool> {
    let Pages { all, free, size } = Pages::of(connection)?;
    if all * size <= most || free == 0 {
        return Ok(false);
    }
    connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    Ok(true)
}

/// Bytes of the database that are in use.
pub(super) fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let Pages { all, free, size } = Pages::of(connection)?;
    Ok(all.saturating_sub(free) * size)
}

struct Pages {
    all: u64,
    free: u64,
    size: u64,
}

impl Pages {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let pragma = |name: &str| {
            connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        };
        Ok(Self { all: pragma("page_count")?, free: pragma("freelist_count")?, size: pragma("page_size")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::schema;

    fn with_contacts(count: i64) -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let connection = schema::open(&folder.path().join("db")).unwrap();
        let many = "WITH RECURSIVE n(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x + 1 < ?1)
                    INSERT INTO contacts SELECT 'e' || x, 'i', x, x, 0 FROM n";
        connection.execute(many, [count]).unwrap();
        (folder, connection)
    }

    fn left(connection: &Connection) -> (i64, i64) {
        let text = "SELECT count(*), min(day) FROM contacts";
        connection.query_row(text, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    #[test]
    fn old_contacts_go_by_age_in_slices() {
        let (_folder, mut connection) = with_contacts(300);
        let day = 86_400_000_000_000;
        let old = TooOld { sequence: 0, from: 290 * day, to: 1_000 * day };
        let mut removed = || Retention::default().by_age(&mut connection, &old).unwrap().contacts;
        assert_eq!([removed(), removed(), removed()], [256, 34, 0]);
        assert_eq!(left(&connection), (10, 290));
    }

    #[test]
    fn short_form_of_a_flow_goes_with_its_document() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = schema::open(&folder.path().join("db")).unwrap();
        let documents = "INSERT INTO documents (id, kind, severity, at, body) VALUES ('a', 2, 0, 0, 'x'), ('b', 2, 0, 0, 'x')";
        connection.execute(documents, []).unwrap();
        connection.execute("INSERT INTO flows SELECT sequence, x'01' FROM documents", []).unwrap();
        let old = TooOld { sequence: 1, from: 0, to: 1 };
        assert_eq!(Retention::default().by_age(&mut connection, &old).unwrap().documents.len(), 1);
        let left = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        assert_eq!(connection.query_row("SELECT sum(sequence) FROM flows", [], left), Ok(2));
    }

    #[test]
    fn many_contacts_go_before_documents_of_incidents() {
        let (_folder, mut connection) = with_contacts(MAX_CONTACTS + 1);
        let document = "INSERT INTO documents (id, kind, severity, at, body) VALUES ('d', 1, 21, 0, 'x')";
        connection.execute(document, []).unwrap();
        let mut retention = Retention::default();
        let removed = retention.by_size(&mut connection).unwrap();
        assert_eq!((removed.contacts, removed.documents.len()), (256, 0));
        assert_eq!(left(&connection).1, 256, "the oldest");
        let removed = retention.by_size(&mut connection).unwrap();
        assert_eq!((removed.contacts, removed.documents.len()), (0, 1));
    }
}
