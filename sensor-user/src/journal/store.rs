//! The store of the journal: documents by their sequence, in one table for each kind, and the cursor of the output.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition,
    WriteTransaction,
};

use super::{Bounds, Entry, JournalError, Kind, entry::size};
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

/// Name of the file in the state directory.
pub(super) const FILE: &str = "journal.redb";

/// The table of a kind, and the key under which its size is.
const fn table(kind: Kind) -> (Documents, &'static str) {
    match kind {
        Kind::Alert => (ALERTS, "alert_bytes"),
        Kind::Flow => (FLOWS, "flow_bytes"),
    }
}

/// The store, open; or closed after it failed, until it can be opened again.
pub(super) struct Store {
    path: PathBuf,
    database: Mutex<Option<Arc<Database>>>,
    bounds: Bounds,
}

/// How the store stood when it was opened.
pub(super) struct Stand {
    /// Sequence of the next document.
    pub(super) next: u64,
    /// Sequence from which on the output has nothing yet.
    pub(super) cursor: u64,
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
        let path = directory.join(FILE);
        let failed = |error| JournalError::of(path.clone(), error);
        let database = store::open(&path).map_err(failed)?;
        let (found, stand) = whole(|| prepare(&database)).map_err(failed)?;
        if found != LAYOUT {
            return Err(JournalError::Layout { path, found, known: LAYOUT });
        }
        Ok((Self { path, database: Mutex::new(Some(Arc::new(database))), bounds }, stand))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Database>>> {
        // Whoever panicked changed nothing: the value is replaced as a whole.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the file.
    pub(super) fn close(&self) {
        *self.lock() = None;
    }

    /// Commits documents and the cursor of the output, and drops what is over the bounds. Committing a document again changes
    /// nothing. After a failure the store is opened anew by the next commit.
    pub(super) fn commit(
        &self,
        entries: &[Arc<Entry>],
        cursor: u64,
        now: i64,
    ) -> Result<Expired, redb::Error> {
        let open = self.lock().clone();
        let database = match open {
            Some(database) => database,
            None => {
                let database = Arc::new(store::open(&self.path)?);
                *self.lock() = Some(Arc::clone(&database));
                database
            }
        };
        let result = self.write(&database, entries, cursor, now);
        if result.is_err() {
            self.close();
        }
        result
    }

    fn write(
        &self,
        database: &Database,
        entries: &[Arc<Entry>],
        cursor: u64,
        now: i64,
    ) -> Result<Expired, redb::Error> {
        let transaction = database.begin_write()?;
        let mut expired = Expired::default();
        {
            let mut meta = transaction.open_table(META)?;
            let oldest = self.oldest(&transaction, entries, now)?;
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
                    if bytes <= self.bounds.bytes / 2 {
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
        }
        transaction.commit()?;
        Ok(expired)
    }

    /// The time before which documents are too old. It is counted from the newest document, or from now if that is earlier: by
    /// a clock that jumps ahead nothing is old until documents come that are of its time.
    fn oldest(
        &self,
        transaction: &WriteTransaction,
        entries: &[Arc<Entry>],
        now: i64,
    ) -> Result<i64, redb::Error> {
        let mut newest = entries.last().map_or(i64::MIN, |entry| entry.time);
        for kind in Kind::ALL {
            let documents = transaction.open_table(table(kind).0)?;
            let last = documents.last()?.map_or(i64::MIN, |(_, value)| value.value().0);
            newest = newest.max(last);
        }
        let kept = DAY.saturating_mul(i64::try_from(self.bounds.days).unwrap_or(i64::MAX));
        Ok(newest.min(now).saturating_sub(kept))
    }
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
fn prepare(database: &Database) -> Result<(u64, Stand), redb::Error> {
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
            return Ok((layout, Stand { next: 0, cursor: 0 }));
        }
        transaction.open_table(ALERTS)?;
        transaction.open_table(FLOWS)?;
        let number = |key| Ok::<_, redb::Error>(meta.get(key)?.map_or(0, |value| value.value()));
        stand = Stand { next: number("next")?, cursor: number("cursor")? };
    }
    transaction.commit()?;
    Ok((layout, stand))
}

/// Reads the journal, also while it is written.
#[derive(Clone)]
pub struct Reader(pub(super) Arc<Store>);

impl Reader {
    /// The journal as it is at this moment.
    pub(super) fn now(&self) -> Result<Moment, redb::Error> {
        let open = self.0.lock().clone();
        let database = open.ok_or_else(|| {
            redb::Error::Io(std::io::Error::other("it failed and is being opened again; try once more"))
        })?;
        Ok(Moment(database.begin_read()?))
    }

    /// What an error of the store means here.
    pub(super) fn error(&self, error: redb::Error) -> JournalError {
        JournalError::of(self.0.path.clone(), error)
    }
}

/// The journal at one moment.
pub(super) struct Moment(ReadTransaction);

impl Moment {
    /// Visits documents of a kind from the newest to the oldest, until `visit` says no.
    pub(super) fn backwards(
        &self,
        kind: Kind,
        mut visit: impl FnMut(u64, i64, &str) -> bool,
    ) -> Result<(), redb::Error> {
        for document in self.0.open_table(table(kind).0)?.iter()?.rev() {
            let (sequence, value) = document?;
            let (time, text) = value.value();
            if !visit(sequence.value(), time, text) {
                break;
            }
        }
        Ok(())
    }

    /// The document at a place.
    pub(super) fn text(&self, kind: Kind, sequence: u64) -> Result<Option<String>, redb::Error> {
        let documents = self.0.open_table(table(kind).0)?;
        Ok(documents.get(sequence)?.map(|value| value.value().1.to_owned()))
    }

    /// Documents of a kind from `from` on, `most` at most.
    pub(super) fn from(&self, kind: Kind, from: u64, most: usize) -> Result<Vec<Arc<Entry>>, redb::Error> {
        let documents = self.0.open_table(table(kind).0)?;
        let mut entries = Vec::new();
        for document in documents.range(from..)?.take(most) {
            let (sequence, value) = document?;
            let (time, text) = value.value();
            entries.push(Arc::new(Entry { sequence: sequence.value(), kind, time, text: text.to_owned() }));
        }
        Ok(entries)
    }

    /// How many documents of a kind there are from `from` on.
    pub(super) fn count(&self, kind: Kind, from: u64) -> Result<u64, redb::Error> {
        Ok(self.0.open_table(table(kind).0)?.range(from..)?.count() as u64)
    }
}

#[cfg(test)]
mod tests;
