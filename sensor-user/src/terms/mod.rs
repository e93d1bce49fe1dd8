//! Known destinations: which SMB servers on the Internet were used lately, kept in an embedded store so that a restart
//! makes nothing new.

mod error;
mod tables;

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    path::{Path, PathBuf},
};

use redb::Database;

pub use self::error::StoreError;
use self::tables::{SCHEMA, Unsaved};
use crate::{
    profile::terms::{RuleTerms, Term},
    store::{self, whole},
};

const SECOND: i128 = 1_000_000_000;
const HOUR: i128 = 3_600 * SECOND;
const DAY: i128 = 24 * HOUR;

/// A known destination's last sight is written again when it is older than this.
const REFRESH: i128 = HOUR;

/// The beginning of learning that is long over.
const LEARNT: i128 = 0;

/// Destinations that are known at a time; further ones stay new.
const MOST: usize = 1 << 20;

/// Something that knows which destinations were seen.
pub trait KnownDestinations {
    /// Whether `destination` was not seen in the window before `now` (nanoseconds since the epoch). From now on it was.
    fn is_new(&mut self, destination: IpAddr, now: i128) -> bool;

    /// Whether a rule's term was not seen in the `days` before `now`. From now on it was. Whoever keeps no terms of rules
    /// takes every one for new.
    fn is_new_term(&mut self, _term: Term, _days: u64, _now: i128) -> bool {
        true
    }

    /// Until when everything is new because hardly anything was seen yet; `None` once that is over.
    fn learning_until(&mut self, now: i128) -> Option<i128>;
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
    unwritten: HashSet<IpAddr>,
    /// New terms of the rules of other profiles.
    rules: RuleTerms,
    /// When the store was made, if it says so.
    created: Option<i128>,
    /// Since when and for how long it learns.
    learning: Option<(i128, i128)>,
    /// The beginning of learning was moved and is not saved yet.
    moved: bool,
    pruned_at: Option<i128>,
}

impl Terms {
    /// Opens the store in `directory`, which is made when missing. A destination is new when it was not seen for
    /// `window_days`.
    ///
    /// # Errors
    /// [`StoreError`], with what to do.
    pub fn open(directory: &Path, window_days: u64, now: i128) -> Result<Self, StoreError> {
        Self::open_as_of(directory, window_days, now, now)
    }

    /// Opens the store to go through a time that may be older than what it holds: nothing counts as too old. One that is missing
    /// is made `now`, by the wall clock.
    ///
    /// # Errors
    /// [`StoreError`], with what to do.
    pub fn open_for_any_time(directory: &Path, window_days: u64, now: i128) -> Result<Self, StoreError> {
        Self::open_as_of(directory, window_days, now, 0)
    }

    fn open_as_of(directory: &Path, window_days: u64, now: i128, as_of: i128) -> Result<Self, StoreError> {
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
        let layout = whole(|| tables::layout(&database, now)).map_err(failed)?;
        if layout.schema != SCHEMA {
            return Err(StoreError::Schema { path, found: layout.schema });
        }
        let mut terms = Self::in_memory(window_days);
        (terms.seen, terms.rules) =
            whole(|| tables::read(&database, as_of - terms.window, as_of)).map_err(failed)?;
        terms.created = layout.created;
        Ok(Self { database: Some(database), path, saved: true, ..terms })
    }

    /// Has it learn for so long after its store was made. One that an older agent made, or that is saved nowhere, learns no
    /// more. Without this it does not learn, and leaves the learning of others alone.
    #[must_use]
    pub fn learning_for(mut self, hours: u64) -> Self {
        self.learning = self.created.map(|created| (created, i128::from(hours) * HOUR));
        self
    }

    /// A set that begins empty and is saved nowhere.
    #[must_use]
    pub fn in_memory(window_days: u64) -> Self {
        Self {
            database: None,
            path: PathBuf::new(),
            saved: false,
            window: i128::from(window_days) * DAY,
            seen: HashMap::new(),
            unwritten: HashSet::new(),
            rules: RuleTerms::default(),
            created: None,
            learning: None,
            moved: false,
            pruned_at: None,
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
        if self.unwritten.is_empty() && self.rules.is_written() && !self.moved {
            return Ok(());
        }
        let oldest = now - self.window;
        let prune = self.pruned_at.is_none_or(|at| (now - at).abs() >= REFRESH);
        if prune {
            self.seen.retain(|_, last| *last >= oldest);
            self.rules.forget(now);
        }
        if self.saved {
            self.save(prune.then_some(oldest), now)
                .map_err(|source| StoreError::Store { path: self.path.clone(), source: Box::new(source) })?;
        }
        if prune {
            self.pruned_at = Some(now);
        }
        self.unwritten.clear();
        self.rules.set_written();
        self.moved = false;
        Ok(())
    }

    fn save(&mut self, forget_before: Option<i128>, now: i128) -> Result<(), redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => store::open(&self.path)?,
        };
        let seen = &self.seen;
        let mut unwritten = self.unwritten.iter().filter_map(|address| Some((*address, *seen.get(address)?)));
        let created = self.learning.filter(|_| self.moved).map(|(since, _)| since);
        let unsaved = Unsaved { seen: &mut unwritten, rules: &self.rules, created, forget_before };
        tables::save(&database, unsaved, now)?;
        self.database = Some(database);
        Ok(())
    }
}

impl KnownDestinations for Terms {
    fn is_new(&mut self, destination: IpAddr, now: i128) -> bool {
        let last = self.seen.get(&destination).copied();
        // A clock that was set back must not make everything new: a sight in the future is a sight.
        let new = last.is_none_or(|last| now - last > self.window);
        let room = last.is_some() || self.seen.len() < MOST;
        if room && last.is_none_or(|last| now - last > REFRESH) {
            self.seen.insert(destination, now);
            self.unwritten.insert(destination);
        }
        new
    }

    fn is_new_term(&mut self, term: Term, days: u64, now: i128) -> bool {
        self.rules.is_new(term, days, now)
    }

    fn learning_until(&mut self, now: i128) -> Option<i128> {
        let (since, length) = self.learning.as_mut()?;
        if now < *since {
            // The clock was set back: it goes on learning for as long as it was to, and no longer.
            *since = now;
            self.moved = true;
        }
        let until = *since + *length;
        if now < until {
            return Some(until);
        }
        // Over is over, also when the clock is set back later.
        self.moved |= *since != LEARNT;
        *since = LEARNT;
        None
    }
}

#[cfg(test)]
mod tests;
