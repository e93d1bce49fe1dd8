//! The journal as it is read: documents of one moment, also while it is written.

use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _};

use super::{
    Entry, JournalError, Kind,
    store::{STANDING, Store, table},
};

/// Reads the journal, also while it is written.
#[derive(Clone)]
pub struct Reader(pub(super) Arc<Store>);

impl Reader {
    /// The journal as it is at this moment.
    pub(super) fn now(&self) -> Result<Moment, redb::Error> {
        let database = self.0.readable()?;
        Ok(Moment { transaction: database.begin_read()?, _database: database })
    }

    /// What an error of the store means here.
    pub(super) fn error(&self, error: redb::Error) -> JournalError {
        JournalError::of(self.0.path().to_owned(), error)
    }
}

/// The journal at one moment.
pub(super) struct Moment {
    transaction: ReadTransaction,
    /// While it is read nobody writes to a file that was closed.
    _database: Arc<Database>,
}

impl Moment {
    /// Visits documents of a kind from the newest to the oldest, until `visit` says no.
    pub(super) fn backwards(
        &self,
        kind: Kind,
        mut visit: impl FnMut(u64, i64, &str) -> bool,
    ) -> Result<(), redb::Error> {
        for document in self.transaction.open_table(table(kind).0)?.iter()?.rev() {
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
        let documents = self.transaction.open_table(table(kind).0)?;
        Ok(documents.get(sequence)?.map(|value| value.value().1.to_owned()))
    }

    /// Documents of a kind from `from` on, `most` at most.
    pub(super) fn from(&self, kind: Kind, from: u64, most: usize) -> Result<Vec<Arc<Entry>>, redb::Error> {
        let documents = self.transaction.open_table(table(kind).0)?;
        let mut entries = Vec::new();
        for document in documents.range(from..)?.take(most) {
            let (sequence, value) = document?;
            let (time, text) = value.value();
            entries.push(Arc::new(Entry { sequence: sequence.value(), kind, time, text: text.to_owned() }));
        }
        Ok(entries)
    }

    /// What stands for documents to come.
    pub(super) fn standing(&self) -> Result<Option<String>, redb::Error> {
        Ok(self.transaction.open_table(STANDING)?.get(())?.map(|value| value.value().to_owned()))
    }

    /// How many documents of a kind there are from `from` on.
    pub(super) fn count(&self, kind: Kind, from: u64) -> Result<u64, redb::Error> {
        Ok(self.transaction.open_table(table(kind).0)?.range(from..)?.count() as u64)
    }
}
