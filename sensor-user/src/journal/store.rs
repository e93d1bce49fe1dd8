//! The store of the journal: documents by their sequence, in one table for each kind, and the cursor of the output.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::{Database, ReadableTable as _, Table, TableDefinition, WriteTransaction};

use super::{Bounds, Entry, JournalError, Kind, entry::size, held::Held};
use crate::store::{self, whole};

/// Layout of the tables.
const LAYOUT: u64 = 1;

/// Documents that a commit drops by their age at most, beside twice as many as it brings: a clock that jumps ahead and is set
/// right again has not emptied the journal meanwhile.
const AGED: usize = 256;

const DAY: i64 = 86_400 * 1_000_000_000;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Sequence → time in nanoseconds since the Unix epoch, and the document.
type Documents = TableDefinition<'static, u64, (i64, &'static str)>;

const ALERTS: Documents = TableDefinition::new("alerts");
const FLOWS: Documents = TableDefinition::new("flows");

/// What stands for documents that are still to come, should the process be killed: one text, a JSON array.
pub(super) const STANDING: TableDefinition<'_, (), &str> = TableDefinition::new("standing");

/// Name of the file in the state directory.
pub(super) const FILE: &str = "journal.redb";

/// The table of a kind, and the key under which its size is.
pub(super) const fn table(kind: Kind) -> (Documents, &'static str) {
    match kind {
        Kind::Alert => (ALERTS, "alert_bytes"),
        Kind::Flow => (FLOWS, "flow_bytes"),
    }
}

/// What whoever only reads drops: nothing.
pub(super) const EVERYTHING: Bounds = Bounds { bytes: u64::MAX, days: u64::MAX };

/// The store, open; or closed after it failed, until it can be opened again.
pub(super) struct Store {
    path: PathBuf,
    held: Mutex<Held>,
    bounds: Bounds,
}

/// How the store stood when it was opened.
pub(super) struct Stand {
    /// Sequence of the next document.
    pub(super) next: u64,
    /// Sequence from which on the output has nothing yet.
    pub(super) cursor: u64,
    /// Sequence before which every alert is closed.
    pub(super) closed_before: u64,
}

/// What a commit dropped because it was too old or too much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expired {
    /// Documents.
    pub documents: u64,
    /// Alerts among them that the output had not taken.
    pub alerts_not_taken: u64,
    /// Flows likewise.
    pub flows_not_taken: u64,
}

impl Store {
    /// Opens the store of a state directory, which is made when missing.
    pub(super) fn open(directory: &Path, bounds: Bounds) -> Result<(Self, Stand), JournalError> {
        Self::opened(directory, bounds, store::open)
    }

    /// Opens the store that a state directory has, to read it. What is committed to it is in memory alone.
    pub(super) fn unwritten(directory: &Path) -> Result<(Self, Stand), JournalError> {
        Self::opened(directory, EVERYTHING, store::open_unwritten)
    }

    fn opened(
        directory: &Path,
        bounds: Bounds,
        open: impl Fn(&Path) -> Result<Database, redb::Error>,
    ) -> Result<(Self, Stand), JournalError> {
        let path = directory.join(FILE);
        let failed = |error| JournalError::of(path.clone(), error);
        let database = open(&path).map_err(failed)?;
        let (found, stand) = whole(|| prepare(&database)).map_err(failed)?;
        if found != LAYOUT {
            return Err(JournalError::Layout { path, found, known: LAYOUT });
        }
        Ok((Self { path, held: Mutex::new(Held::Open(Arc::new(database))), bounds }, stand))
    }

    /// Where its file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Whoever panicked changed nothing: the value is replaced as a whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the file for good.
    pub(super) fn close(&self) {
        *self.lock() = Held::Ended;
    }

    /// The database, to read it.
    pub(super) fn readable(&self) -> Result<Arc<Database>, redb::Error> {
        self.lock().readable(&self.path)
    }

    /// Commits documents and the cursor of the output, and drops what is over the bounds. Committing a document again changes
    /// nothing. After a failure the store is opened anew by the next commit.
    pub(super) fn commit(
        &self,
        entries: &[Arc<Entry>],
        cursor: u64,
        now: i64,
    ) -> Result<Expired, redb::Error> {
        self.commit_standing(entries, None, cursor, now)
    }

    /// The same, and keeps `standing` in place of what stood before.
    pub(super) fn commit_standing(
        &self,
        entries: &[Arc<Entry>],
        standing: Option<&str>,
        cursor: u64,
        now: i64,
    ) -> Result<Expired, redb::Error> {
        self.try_to(entries, |database| write(database, self.bounds, entries, standing, cursor, now))
    }

    /// Keeps that every alert before this sequence is closed, and that nothing stands for one to come.
    pub(super) fn set_closed_before(&self, sequence: u64) -> Result<(), redb::Error> {
        self.try_to(&[], |database| {
            let transaction = database.begin_write()?;
            transaction.open_table(META)?.insert("closed_before", sequence)?;
            transaction.open_table(STANDING)?.remove(())?;
            Ok(transaction.commit()?)
        })
    }

    /// Writes to the database, which is closed if that fails.
    fn try_to<T>(
        &self,
        entries: &[Arc<Entry>],
        write: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let opened = self.lock().writable(&self.path);
        let result = opened.and_then(|database| write(&database));
        if result.is_err() {
            self.lock().fail(entries);
        }
        result
    }
}

/// Writes documents and the cursor to a database, and drops what is over the bounds.
pub(super) fn write(
    database: &Database,
    bounds: Bounds,
    entries: &[Arc<Entry>],
    standing: Option<&str>,
    cursor: u64,
    now: i64,
) -> Result<Expired, redb::Error> {
    let transaction = database.begin_write()?;
    let mut expired = Expired::default();
    {
        let mut meta = transaction.open_table(META)?;
        let oldest = oldest(&transaction, bounds, entries, now)?;
        let mut aged = AGED + 2 * entries.len();
        for kind in Kind::ALL {
            let (definition, key) = table(kind);
            let mut bytes = meta.get(key)?.map_or(0, |value| value.value());
            let mut documents = transaction.open_table(definition)?;
            for entry in entries.iter().filter(|entry| entry.kind == kind) {
                bytes += entry.size();
                if let Some(same) = documents.insert(entry.sequence, (entry.time, entry.text.as_str()))? {
                    bytes = bytes.saturating_sub(size(same.value().1));
                }
            }
            let not_taken = match kind {
                Kind::Alert => &mut expired.alerts_not_taken,
                Kind::Flow => &mut expired.flows_not_taken,
            };
            while let Some(first) = first(&documents)? {
                let Document { sequence, time, size } = first;
                if bytes <= bounds.bytes / 2 {
                    // What the output has not taken waits for it however old it is.
                    if time >= oldest || sequence >= cursor || aged == 0 {
                        break;
                    }
                    aged -= 1;
                }
                documents.remove(sequence)?;
                bytes = bytes.saturating_sub(size);
                expired.documents += 1;
                *not_taken += u64::from(sequence >= cursor);
            }
            meta.insert(key, bytes)?;
        }
        if let Some(last) = entries.last() {
            meta.insert("next", last.sequence + 1)?;
        }
        meta.insert("cursor", cursor)?;
        if let Some(standing) = standing {
            transaction.open_table(STANDING)?.insert((), standing)?;
        }
    }
    transaction.commit()?;
    Ok(expired)
}

/// The time before which documents are too old. It is counted from the newest document, or from now if that is earlier: by
/// a clock that jumps ahead nothing is old until documents come that are of its time.
fn oldest(
    transaction: &WriteTransaction,
    bounds: Bounds,
    entries: &[Arc<Entry>],
    now: i64,
) -> Result<i64, redb::Error> {
    let mut newest = entries.last().map_or(i64::MIN, |entry| entry.time);
    for kind in Kind::ALL {
        let documents = transaction.open_table(table(kind).0)?;
        let last = documents.last()?.map_or(i64::MIN, |(_, value)| value.value().0);
        newest = newest.max(last);
    }
    let kept = DAY.saturating_mul(i64::try_from(bounds.days).unwrap_or(i64::MAX));
    Ok(newest.min(now).saturating_sub(kept))
}

/// What decides whether a document is kept.
struct Document {
    sequence: u64,
    time: i64,
    size: u64,
}

/// The first document, which goes first.
fn first(documents: &Table<'_, u64, (i64, &'static str)>) -> Result<Option<Document>, redb::Error> {
    let first = documents.first()?.map(|(sequence, value)| {
        let (time, text) = value.value();
        Document { sequence: sequence.value(), time, size: size(text) }
    });
    Ok(first)
}

/// Makes the tables where they are missing; gives the layout and how things stand.
pub(super) fn prepare(database: &Database) -> Result<(u64, Stand), redb::Error> {
    let transaction = database.begin_write()?;
    let (layout, stand);
    {
        let mut meta = transaction.open_table(META)?;
        let found = meta.get("layout")?.map(|value| value.value());
        if found.is_none() {
            meta.insert("layout", LAYOUT)?;
        }
        layout = found.unwrap_or(LAYOUT);
        if layout != LAYOUT {
            // Another program's: not a byte of it is changed.
            return Ok((layout, Stand { next: 0, cursor: 0, closed_before: 0 }));
        }
        transaction.open_table(ALERTS)?;
        transaction.open_table(FLOWS)?;
        transaction.open_table(STANDING)?;
        let number = |key| Ok::<_, redb::Error>(meta.get(key)?.map_or(0, |value| value.value()));
        stand = Stand {
            next: number("next")?,
            cursor: number("cursor")?,
            closed_before: number("closed_before")?,
        };
    }
    transaction.commit()?;
    Ok((layout, stand))
}

#[cfg(test)]
mod tests;
