//! Known terms: which addresses the rules have seen lately, each rule for itself, in an embedded store so that a restart makes
//! nothing new.
//!
//! Times that come in are the wall clock's. What is kept is by the steady time ([`steady`]), so that a clock that is set, either
//! way, makes nothing old and ends no learning.

mod error;
mod seen;
mod steady;
mod tables;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use redb::Database;

pub use self::{
    error::StoreError,
    steady::{Clocks, Step},
};
use self::{
    seen::Seen,
    steady::SteadyTime,
    tables::{SCHEMA, Unsaved},
};
use crate::{
    detect::rare_destination,
    profile::Windows,
    store::{self, whole},
};

const SECOND: i128 = 1_000_000_000;
const HOUR: i128 = 3_600 * SECOND;
const DAY: i128 = 24 * HOUR;

/// Time between two looks for what is too old.
const PRUNE: i128 = HOUR;

/// The beginning of learning that is over, which stays so.
const LEARNT: i128 = 0;

/// A value of a rule's new-terms field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Identifier of the rule.
    pub rule: &'static str,
    /// Value.
    pub address: IpAddr,
}

/// Something that knows which terms were seen.
pub trait KnownTerms {
    /// Whether the rule did not see the term in its window before `now` (nanoseconds since the epoch). From now on it did.
    fn is_new(&mut self, term: Term, now: i128) -> bool;

    /// Until when every destination is new because hardly any was seen yet; `None` once that is over.
    fn learning_until(&mut self, now: i128) -> Option<i128>;
}

/// The durable set of known terms.
pub struct Terms {
    /// None after it failed: the store refuses everything until it is opened again.
    database: Option<Database>,
    path: PathBuf,
    /// Whether it outlives the process.
    saved: bool,
    seen: Seen,
    time: SteadyTime,
    /// When the store was made, if it says so.
    created: Option<i128>,
    /// Since when and for how long it learns.
    learning: Option<(i128, i128)>,
    /// The beginning of learning that is not saved yet.
    moved_to: Option<i128>,
    /// The wall clock was set, or the agent began, and that is not saved yet.
    stepped: bool,
    pruned_at: Option<i128>,
}

impl Terms {
    /// Opens the store in `directory`, which is made when missing, and goes on with its time as far as that can be known.
    ///
    /// # Errors
    /// [`StoreError`], with what to do.
    pub fn open(directory: &Path, windows: &Windows, now: Clocks) -> Result<Self, StoreError> {
        let terms = Self::open_as_of(directory, windows, now.wall, |saved| SteadyTime::of(saved, now), true)?;
        Ok(Self { stepped: true, ..terms })
    }

    /// Opens the store to go through a time that may be older than what it holds: nothing counts as too old, and the store's own time
    /// stands still. One that is missing is made `now`, by the wall clock.
    ///
    /// # Errors
    /// [`StoreError`], with what to do.
    pub fn open_for_any_time(directory: &Path, windows: &Windows, now: i128) -> Result<Self, StoreError> {
        Self::open_as_of(directory, windows, now, SteadyTime::as_saved, false)
    }

    fn open_as_of(
        directory: &Path,
        windows: &Windows,
        now: i128,
        time: impl FnOnce(Option<steady::Reading>) -> SteadyTime,
        drop_old: bool,
    ) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| StoreError::Directory { path: directory.to_owned(), source })?;
        let path = directory.join("smb-sensor.redb");
        let failed = |source: redb::Error| StoreError::Store { path: path.clone(), source: Box::new(source) };
        if store::is_emptied(&path) {
            log::warn!(
                "{} is empty (0 bytes), as a crash or a full disk leaves a file: it begins anew, and every destination is new once",
                path.display()
            );
        }
        let database = match store::open(&path) {
            Ok(database) => database,
            Err(redb::Error::DatabaseAlreadyOpen) => return Err(StoreError::InUse { path }),
            Err(error) => return Err(failed(error)),
        };
        let mut terms = Self::in_memory(windows);
        let layout = whole(|| tables::layout(&database, &terms.seen, now)).map_err(failed)?;
        if layout.schema != SCHEMA {
            return Err(StoreError::Schema { path, found: layout.schema });
        }
        terms.time = time(layout.reading);
        let as_of = drop_old.then(|| terms.time.at(now));
        whole(|| tables::read(&database, &mut terms.seen, as_of)).map_err(failed)?;
        Ok(Self { database: Some(database), path, saved: true, created: layout.created, ..terms })
    }

    /// Has it learn for so long after its store was made. One that an older agent made, or that is saved nowhere, learns no
    /// more. Without this it does not learn, and leaves the learning of others alone.
    #[must_use]
    pub fn learning_for(mut self, hours: u64) -> Self {
        let length = i128::from(hours) * HOUR;
        self.learning = self.created.filter(|created| *created != LEARNT).map(|created| (created, length));
        if let (Some((since, _)), Some(reading)) = (&mut self.learning, self.time.reading())
            && reading.steady < *since
        {
            // Made by a clock that was ahead: it learns for as long as it is to from now on, and no longer.
            *since = reading.steady;
            self.moved_to = Some(*since);
        }
        self
    }

    /// A set that begins empty and is saved nowhere.
    #[must_use]
    pub fn in_memory(windows: &Windows) -> Self {
        Self {
            database: None,
            path: PathBuf::new(),
            saved: false,
            seen: Seen::new(windows),
            time: SteadyTime::default(),
            created: None,
            learning: None,
            moved_to: None,
            stepped: false,
            pruned_at: None,
        }
    }

    /// Destinations that the sensor's own rule knows.
    #[must_use]
    pub fn destinations(&self) -> usize {
        self.seen.known(rare_destination::RULE.id)
    }

    /// Tells what the clocks say, before anything else is asked of it at that moment; gives the step of the wall clock, if it was set.
    pub fn keep_time(&mut self, now: Clocks) -> Option<Step> {
        let step = self.time.keep(now);
        self.stepped |= step.is_some();
        step
    }

    /// Writes what was seen since the last commit and forgets what is older than the window of its rule.
    ///
    /// # Errors
    /// [`StoreError::Store`]; nothing is lost, the next commit tries again.
    pub fn commit(&mut self, now: i128) -> Result<(), StoreError> {
        if self.seen.is_written() && self.moved_to.is_none() && !self.stepped {
            return Ok(());
        }
        let now = self.time.at(now);
        let forget_at = self.pruned_at.is_none_or(|at| (now - at).abs() >= PRUNE).then_some(now);
        if forget_at.is_some() {
            self.seen.forget(now);
        }
        if self.saved {
            self.save(forget_at)
                .map_err(|source| StoreError::Store { path: self.path.clone(), source: Box::new(source) })?;
        }
        self.pruned_at = forget_at.or(self.pruned_at);
        self.seen.set_written();
        (self.moved_to, self.stepped) = (None, false);
        Ok(())
    }

    fn save(&mut self, forget_at: Option<i128>) -> Result<(), redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => store::open(&self.path)?,
        };
        let unsaved =
            Unsaved { seen: &self.seen, created: self.moved_to, reading: self.time.reading(), forget_at };
        tables::save(&database, &unsaved)?;
        self.database = Some(database);
        Ok(())
    }
}

impl KnownTerms for Terms {
    fn is_new(&mut self, term: Term, now: i128) -> bool {
        self.seen.is_new(term, self.time.at(now))
    }

    fn learning_until(&mut self, now: i128) -> Option<i128> {
        let (since, length) = self.learning?;
        let until = since + length;
        if self.time.at(now) < until {
            return Some(self.time.wall(until));
        }
        // Over is over, whatever the clock says later.
        (self.learning, self.moved_to) = (None, Some(LEARNT));
        None
    }
}

#[cfg(test)]
mod tests;
