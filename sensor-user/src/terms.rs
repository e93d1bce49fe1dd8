//! Known destinations: which SMB servers on the Internet were used lately, kept in an embedded store so that a restart
//! makes nothing new.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use thiserror::Error;

use crate::profile::terms::{RuleTerms, TABLE as RULE_TERMS, Term};

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// A known destination's last sight is written again when it is older than this.
const REFRESH: i128 = 3_600 * SECOND;

/// Layout of the store.
const SCHEMA: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Address as text → last sight, seconds since the Unix epoch.
const DESTINATIONS: TableDefinition<'_, &str, i64> = TableDefinition::new("smb_destinations");

/// Something that knows which destinations were seen.
pub trait KnownDestinations {
    /// Whether `destination` was not seen in the window before `now` (nanoseconds since the epoch). From now on it was.
    fn is_new(&mut self, destination: IpAddr, now: i128) -> bool;

    /// Whether a rule's term was not seen in the `days` before `now`. From now on it was. Whoever keeps no terms of rules
    /// takes every one for new.
    fn is_new_term(&mut self, _term: Term, _days: u64, _now: i128) -> bool {
        true
    }
}

/// The store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The directory cannot be made.
    #[error("cannot create the state directory {}: {source}. Name another with --state-dir or `state_dir`", path.display())]
    Directory {
        /// Directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error("{} is in use by another smb-sensor: stop it, or give this one its own --state-dir", path.display())]
    InUse {
        /// File.
        path: PathBuf,
    },
    /// It is of another version.
    #[error("{} has store layout {found}, this agent writes {SCHEMA}: use the agent that made it, or another --state-dir", path.display())]
    Schema {
        /// File.
        path: PathBuf,
        /// Version found.
        found: u64,
    },
    /// It cannot be read or written.
    #[error("the store {}: {source}. Make room or name another --state-dir; a damaged file can be moved away, then destinations are new once", path.display())]
    Store {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: Box<redb::Error>,
    },
}

/// The durable set of known destinations.
pub struct Terms {
    /// None after it failed: the store refuses everything until it is opened again.
    database: Option<Database>,
    path: PathBuf,
    /// Whether it outlives the process.
    saved: bool,
    window: i128,
    seen: HashMap<IpAddr, i128>,
    unwritten: Vec<IpAddr>,
    rules: RuleTerms,
}

impl Terms {
    /// Opens the store in `directory`, which is made when missing. A destination is new when it was not seen for
    /// `window_days`.
    ///
    /// # Errors
    /// [`StoreError`], with what to do.
    pub fn open(directory: &Path, window_days: u64, now: i128) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| StoreError::Directory { path: directory.to_owned(), source })?;
        let path = directory.join("smb-sensor.redb");
        let failed = |source: redb::Error| StoreError::Store { path: path.clone(), source: Box::new(source) };
        let database = match create(&path) {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::InUse { path }),
            Err(error) => return Err(failed(error.into())),
        };
        let found = whole(|| layout(&database)).map_err(failed)?;
        if found != SCHEMA {
            return Err(StoreError::Schema { path, found });
        }
        let window = i128::from(window_days) * DAY;
        let (seen, rules) = whole(|| read(&database, now - window, now)).map_err(failed)?;
        Ok(Self { database: Some(database), path, saved: true, window, seen, unwritten: vec![], rules })
    }

    /// A set that begins empty and is saved nowhere.
    #[must_use]
    pub fn in_memory(window_days: u64) -> Self {
        let window = i128::from(window_days) * DAY;
        let (database, path, saved) = (None, PathBuf::new(), false);
        Self {
            database,
            path,
            saved,
            window,
            seen: HashMap::new(),
            unwritten: vec![],
            rules: RuleTerms::default(),
        }
    }

    /// Destinations known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Writes what was seen since the last commit and forgets what is older than the window.
    ///
    /// # Errors
    /// [`StoreError::Store`]; nothing is lost, the next commit tries again.
    pub fn commit(&mut self, now: i128) -> Result<(), StoreError> {
        if self.unwritten.is_empty() && self.rules.is_written() {
            return Ok(());
        }
        let oldest = now - self.window;
        self.seen.retain(|_, last| *last >= oldest);
        self.rules.forget(now);
        if self.saved {
            self.write(oldest, now)
                .map_err(|source| StoreError::Store { path: self.path.clone(), source: Box::new(source) })?;
        }
        self.unwritten.clear();
        self.rules.set_written();
        Ok(())
    }

    fn write(&mut self, oldest: i128, now: i128) -> Result<(), redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => create(&self.path)?,
        };
        self.write_to(&database, oldest, now)?;
        self.database = Some(database);
        Ok(())
    }

    fn write_to(&self, database: &Database, oldest: i128, now: i128) -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(DESTINATIONS)?;
            for address in &self.unwritten {
                if let Some(last) = self.seen.get(address) {
                    table.insert(address.to_string().as_str(), seconds(*last))?;
                }
            }
            table.retain(|_, last| last >= seconds(oldest))?;
            self.rules.write(&mut transaction.open_table(RULE_TERMS)?, now)?;
        }
        transaction.commit()?;
        Ok(())
    }
}

impl KnownDestinations for Terms {
    fn is_new(&mut self, destination: IpAddr, now: i128) -> bool {
        let last = self.seen.get(&destination).copied();
        // A clock that was set back must not make everything new: a sight in the future is a sight.
        let new = last.is_none_or(|last| now - last > self.window);
        if last.is_none_or(|last| now - last > REFRESH) {
            self.seen.insert(destination, now);
            self.unwritten.push(destination);
        }
        new
    }

    fn is_new_term(&mut self, term: Term, days: u64, now: i128) -> bool {
        self.rules.is_new(term, days, now)
    }
}

fn create(path: &Path) -> Result<Database, DatabaseError> {
    match whole(|| redb::Builder::new().set_cache_size(4 << 20).create(path).map_err(redb::Error::from)) {
        Ok(database) => Ok(database),
        Err(redb::Error::DatabaseAlreadyOpen) => Err(DatabaseError::DatabaseAlreadyOpen),
        Err(redb::Error::Io(error)) => Err(DatabaseError::Storage(redb::StorageError::Io(error))),
        Err(error) => Err(DatabaseError::Storage(redb::StorageError::Corrupted(error.to_string()))),
    }
}

/// Reads the store; on some kinds of damage the library panics where it should refuse.
fn whole<T>(read: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    std::panic::set_hook(hook);
    result.unwrap_or_else(|_| Err(redb::Error::Corrupted("the store is damaged".to_owned())))
}

fn seconds(nanos: i128) -> i64 {
    i64::try_from(nanos / SECOND).unwrap_or(i64::MAX)
}

/// The store's layout version; a fresh store gets ours.
fn layout(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let found = {
        let mut meta = transaction.open_table(META)?;
        let found = meta.get("schema")?.map(|value| value.value());
        if found.is_none() {
            meta.insert("schema", SCHEMA)?;
        }
        transaction.open_table(DESTINATIONS)?;
        transaction.open_table(RULE_TERMS)?;
        found.unwrap_or(SCHEMA)
    };
    transaction.commit()?;
    Ok(found)
}

fn read(
    database: &Database,
    oldest: i128,
    now: i128,
) -> Result<(HashMap<IpAddr, i128>, RuleTerms), redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(DESTINATIONS)?;
    let mut seen = HashMap::new();
    for entry in table.iter()? {
        let (address, last) = entry?;
        let last = i128::from(last.value()) * SECOND;
        if let (Ok(address), true) = (address.value().parse(), last >= oldest) {
            seen.insert(address, last);
        }
    }
    Ok((seen, RuleTerms::read(&transaction.open_table(RULE_TERMS)?, now)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i128 = 1_700_000_000 * SECOND;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_destination_is_new_once_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
        assert!(terms.is_new(address("8.8.4.4"), NOW));
        assert!(!terms.is_new(address("8.8.4.4"), NOW + SECOND));
        assert!(terms.is_new(address("2001:4860:4860::8844"), NOW));
        terms.commit(NOW).unwrap();
        drop(terms);
        let mut again = Terms::open(directory.path(), 7, NOW + DAY).unwrap();
        assert!(!again.is_new(address("8.8.4.4"), NOW + DAY));
        assert!(!again.is_new(address("2001:4860:4860::8844"), NOW + DAY));
    }

    #[test]
    fn what_was_not_committed_is_new_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
        assert!(terms.is_new(address("8.8.4.4"), NOW));
        drop(terms);
        assert!(Terms::open(directory.path(), 7, NOW).unwrap().is_new(address("8.8.4.4"), NOW));
    }

    #[test]
    fn a_destination_is_new_again_after_the_window() {
        let directory = tempfile::tempdir().unwrap();
        let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
        assert!(terms.is_new(address("8.8.4.4"), NOW));
        assert!(!terms.is_new(address("8.8.4.4"), NOW + 7 * DAY));
        assert!(terms.is_new(address("8.8.4.4"), NOW + 14 * DAY + SECOND));
    }

    #[test]
    fn a_clock_that_steps_back_makes_nothing_new() {
        let directory = tempfile::tempdir().unwrap();
        let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
        assert!(terms.is_new(address("8.8.4.4"), NOW));
        terms.commit(NOW).unwrap();
        assert!(!terms.is_new(address("8.8.4.4"), NOW - 30 * DAY));
        drop(terms);
        assert!(
            !Terms::open(directory.path(), 7, NOW - 30 * DAY)
                .unwrap()
                .is_new(address("8.8.4.4"), NOW - 30 * DAY)
        );
    }

    #[test]
    fn a_store_in_use_and_an_unusable_directory_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let _held = Terms::open(directory.path(), 7, NOW).unwrap();
        assert!(matches!(Terms::open(directory.path(), 7, NOW), Err(StoreError::InUse { .. })));
        let file = directory.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(Terms::open(&file.join("below"), 7, NOW), Err(StoreError::Directory { .. })));
    }

    #[test]
    fn a_store_with_garbled_pages_is_named_and_does_not_panic() {
        let directory = tempfile::tempdir().unwrap();
        let mut terms = Terms::open(directory.path(), 7, NOW).unwrap();
        assert!(terms.is_new(address("8.8.4.4"), NOW));
        terms.commit(NOW).unwrap();
        drop(terms);
        let path = directory.path().join("smb-sensor.redb");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096..].fill(0xA5);
        std::fs::write(&path, bytes).unwrap();
        let error = Terms::open(directory.path(), 7, NOW).err().unwrap();
        assert!(error.to_string().contains("smb-sensor.redb"), "{error}");
    }

    #[test]
    fn a_damaged_store_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("smb-sensor.redb"),
            "not a database, and long enough to be read as one",
        )
        .unwrap();
        let error = Terms::open(directory.path(), 7, NOW).err().unwrap();
        assert!(error.to_string().contains("smb-sensor.redb"), "{error}");
    }
}
