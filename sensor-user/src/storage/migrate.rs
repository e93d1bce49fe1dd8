//! Takes over the state directory of a version before the database: known terms, hits of exemptions and the journal.
//!
//! Everything is read once and committed in one transaction; then the files move into a directory beside the database. A file
//! that cannot be read is reported and moved as well, and the agent continues without it. No old file is deleted.

mod ahead;
mod redb_files;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, Transaction};
use sensor_core::{exempt::Hit, level::Severity, time::Timestamp};
use serde::Deserialize;
use thiserror::Error;
use tracing::{info, warn};

use super::{DocumentKind, NewDocument, OUTPUT_CURSOR, RowBatch, insert::put, numbers};

/// Directory in the state directory into which the files move.
const ASIDE: &str = "before-sqlite";

const TERMS: &str = "smb-sensor.redb";
const JOURNAL: &str = "journal.redb";
const LOG_FILES: [&str; 2] = ["journal.ahead.0", "journal.ahead.1"];
const HITS: &str = "exemption-hits.json";
const FILES: [&str; 5] = [TERMS, JOURNAL, LOG_FILES[0], LOG_FILES[1], HITS];

/// Documents that are put into the database at a time.
const CHUNK: usize = 512;

/// Why a file cannot be taken over.
#[derive(Debug, Error)]
enum OldFileError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Damaged(String),
    #[error("its layout is {0}, and this version reads only {1}")]
    Layout(u64, u64),
    #[error("cannot write its content: {0}")]
    Database(#[from] rusqlite::Error),
}

/// A document of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OldDocument {
    sequence: u64,
    kind: DocumentKind,
    time: i64,
    text: String,
}

/// What was taken over.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    terms: usize,
    hits: usize,
    documents: u64,
    undelivered: u64,
}

/// Takes over the files of a version before, if there are any.
///
/// # Errors
/// When the database does not take what they hold. The files are still where they were, and the next start tries again.
pub(super) fn take_over(connection: &mut Connection, state_dir: &Path) -> rusqlite::Result<()> {
    let found: Vec<PathBuf> =
        FILES.iter().map(|name| state_dir.join(name)).filter(|path| path.exists()).collect();
    if found.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    let taken = read(&transaction, state_dir)?;
    transaction.commit()?;
    let aside = state_dir.join(ASIDE);
    let moved = fs::create_dir_all(&aside).and_then(|()| {
        found.iter().try_for_each(|path| fs::rename(path, aside.join(path.file_name().unwrap_or_default())))
    });
    info!(
        "took over the state of an earlier version: {} known destinations and other terms, hits of {} exemptions, {} documents, of \
         which the output has yet to take {}",
        taken.terms, taken.hits, taken.documents, taken.undelivered
    );
    match moved {
        Ok(()) => info!("its files are in {} and are not needed any more", aside.display()),
        Err(error) => {
            warn!(
                "cannot move its files to {}: {error}. Move them yourself, or they are read again",
                aside.display()
            );
        }
    }
    Ok(())
}

/// Reads every file into the database; one that cannot be read is left out.
fn read(transaction: &Transaction<'_>, state_dir: &Path) -> rusqlite::Result<Taken> {
    let mut taken = Taken::default();
    let path = |name: &str| state_dir.join(name);
    if let Some(batch) = readable(TERMS, redb_files::terms(&path(TERMS)))? {
        taken.terms = batch.terms.len();
        put(transaction, &batch)?;
    }
    if let Some(hits) = readable(HITS, hits(&path(HITS)))? {
        taken.hits = hits.len();
        put(transaction, &RowBatch { hits: Some(hits), ..RowBatch::default() })?;
    }
    let mut left = Vec::new();
    for name in LOG_FILES {
        left.extend(readable(name, ahead::read(&path(name)))?.unwrap_or_default());
    }
    left.sort_by_key(|document| document.sequence);
    let mut documents = Documents { transaction, waiting: Vec::new(), cursor: 0, last: 0, taken: &mut taken };
    // A damaged journal may have given some before it could not be read on: they are kept.
    readable(JOURNAL, redb_files::journal(&path(JOURNAL), &mut documents))?;
    for document in left {
        if document.sequence > documents.last {
            documents.add(document)?;
        }
    }
    documents.flush()?;
    Ok(taken)
}

/// What a file holds; `None`, with a warning, if it cannot be read. Only a failure of the database is an error.
fn readable<T>(name: &str, read: Result<T, OldFileError>) -> rusqlite::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(OldFileError::Database(error)) => Err(error),
        Err(OldFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            warn!(
                "cannot read {name} of an earlier version: {error}. It is kept in {ASIDE}, and the agent goes on without it"
            );
            Ok(None)
        }
    }
}

/// Puts documents into the database, in their order.
struct Documents<'a> {
    transaction: &'a Transaction<'a>,
    waiting: Vec<NewDocument>,
    /// Place in the old journal from which on the output has taken nothing.
    cursor: u64,
    /// Place of the last one.
    last: u64,
    taken: &'a mut Taken,
}

impl Documents<'_> {
    fn add(&mut self, document: OldDocument) -> rusqlite::Result<()> {
        self.taken.documents += 1;
        if document.sequence >= self.cursor {
            if self.taken.undelivered == 0 {
                self.mark_delivered()?;
            }
            self.taken.undelivered += 1;
        }
        self.last = document.sequence;
        self.waiting.push(NewDocument {
            id: format!("before-sqlite-{}", document.sequence),
            kind: document.kind,
            incident: None,
            severity: severity(&document.text),
            at: document.time,
            body: document.text,
            brief: Vec::new(),
        });
        if self.waiting.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> rusqlite::Result<()> {
        let batch = RowBatch { documents: std::mem::take(&mut self.waiting), ..RowBatch::default() };
        put(self.transaction, &batch)?;
        if self.taken.undelivered == 0 && self.taken.documents > 0 {
            self.mark_delivered_so_far()?;
        }
        Ok(())
    }

    /// Everything before this is delivered.
    fn mark_delivered(&mut self) -> rusqlite::Result<()> {
        let batch = RowBatch { documents: std::mem::take(&mut self.waiting), ..RowBatch::default() };
        put(self.transaction, &batch)?;
        self.mark_delivered_so_far()
    }

    fn mark_delivered_so_far(&self) -> rusqlite::Result<()> {
        let last: i64 =
            self.transaction
                .query_row("SELECT coalesce(max(sequence), 0) FROM documents", [], |row| row.get(0))?;
        let cursors = vec![(OUTPUT_CURSOR.to_owned(), last.cast_unsigned())];
        put(self.transaction, &RowBatch { cursors, ..RowBatch::default() }).map(drop)
    }
}

/// `event.severity` of a document; the earlier version kept it nowhere else.
fn severity(text: &str) -> Option<Severity> {
    #[derive(Deserialize)]
    struct Document {
        event: Event,
    }
    #[derive(Deserialize)]
    struct Event {
        severity: i64,
    }
    serde_json::from_str::<Document>(text)
        .ok()
        .and_then(|document| numbers::severity(document.event.severity))
}

/// What exemptions have covered.
fn hits(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, OldFileError> {
    #[derive(Deserialize)]
    struct OldHit {
        conversations: u64,
        packets: u64,
        last: i64,
    }
    let damaged = |error: String| OldFileError::Damaged(error);
    let hits: BTreeMap<String, OldHit> =
        serde_json::from_slice(&fs::read(path)?).map_err(|error| damaged(error.to_string()))?;
    hits.into_iter()
        .map(|(id, old)| {
            let last = Timestamp::from_unix_nanos(old.last);
            let hit = Hit { connections: old.conversations, packets: old.packets, last };
            Ok((id, rmp_serde::to_vec_named(&hit).map_err(|error| damaged(error.to_string()))?))
        })
        .collect()
}

#[cfg(test)]
mod tests;
