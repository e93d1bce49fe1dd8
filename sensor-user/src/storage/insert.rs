//! Inserts a batch into the database.

use rusqlite::{Transaction, params};

use super::{
    RowBatch, numbers,
    rows::{day_of, ring_value},
};

/// Puts a batch into the database. Gives the place of each of its documents; `None` for one that was there before.
pub(super) fn put(transaction: &Transaction<'_>, batch: &RowBatch) -> rusqlite::Result<Vec<Option<u64>>> {
    let mut places = Vec::with_capacity(batch.documents.len());
    if !batch.documents.is_empty() {
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO documents (id, kind, incident, severity, at, body, brief) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for one in &batch.documents {
            let kind = one.kind as i64;
            let severity = numbers::of_severity(one.severity);
            let values = params![one.id, kind, one.incident, severity, one.at, one.body, one.brief];
            let is_new = insert.execute(values)? > 0;
            places.push(is_new.then(|| transaction.last_insert_rowid().cast_unsigned()));
        }
    }
    if !batch.flows.is_empty() {
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO flows (sequence, state) SELECT sequence, ?2 FROM documents WHERE id = ?1",
        )?;
        for (document, state) in &batch.flows {
            insert.execute(params![document, state])?;
        }
    }
    for one in &batch.quotas {
        transaction.execute(
            "INSERT OR IGNORE INTO quotas (sequence, rule, since, held_back) SELECT sequence, ?2, ?3, ?4 FROM documents WHERE id = ?1",
            params![one.document, one.rule, one.since, one.held_back.cast_signed()],
        )?;
    }
    if !batch.incidents.is_empty() {
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO incidents (id, severity, last, open, state) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET severity = ?2, last = ?3, open = ?4, state = ?5",
        )?;
        for one in &batch.incidents {
            let severity = numbers::of_severity(Some(one.severity));
            upsert.execute(params![one.id, severity, one.last, one.open, one.state])?;
        }
    }
    for one in &batch.verdicts {
        transaction.execute(
            "INSERT INTO verdicts (incident, state) SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM incidents WHERE id = ?1)
             ON CONFLICT (incident) DO UPDATE SET state = ?2",
            params![one.incident, one.state],
        )?;
    }
    if !batch.contacts.is_empty() {
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO contacts (external, internal, day, first, level) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET first = min(first, ?4), level = max(level, ?5)",
        )?;
        for one in &batch.contacts {
            let level = numbers::of_level(one.level);
            upsert.execute(params![one.external, one.internal, day_of(one.at), one.at, level])?;
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
    for (key, state) in &batch.changed_connections {
        match state {
            Some(state) => transaction
                .prepare_cached("INSERT OR REPLACE INTO connections (key, state) VALUES (?1, ?2)")?
                .execute(params![key, state])?,
            None => {
                transaction.prepare_cached("DELETE FROM connections WHERE key = ?1")?.execute(params![key])?
            }
        };
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
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO cursors (sink, sequence) VALUES (?1, ?2) ON CONFLICT (sink) DO UPDATE SET sequence = max(sequence, ?2)",
        )?;
        upsert.execute(params![sink, sequence.cast_signed()])?;
    }
    for (key, value) in batch.meta.iter().chain(&batch.ring.map(ring_value)) {
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        )?;
        upsert.execute(params![key, value])?;
    }
    Ok(places)
}
