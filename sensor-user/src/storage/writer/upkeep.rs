//! Upkeep of the database: checkpoints and retention, in slices while no batch waits. Only the bound on size and the checkpoint
//! of a long write-ahead log do not wait for that.

use std::time::{Duration, Instant};

use super::{Gathered, QUIET, Writer};
use crate::runtime::{Wait, waiting};
use crate::storage::{
    Bounds, RowBatch, StorageError,
    age::{self, Ages, MARKS},
    error::Remedy,
    files,
    retention::{self, Removed, Retention},
};
use sensor_core::terms::Clocks;

/// Time between two searches for old documents.
const LOOK: Duration = Duration::from_secs(60);

/// Bytes of the write-ahead log from which on a checkpoint is made when nothing waits, and at which it is made in any case.
const CHECKPOINT_AT: u64 = 1 << 20;
const CHECKPOINT_MUST: u64 = 16 << 20;

/// Bytes that a row takes besides its content: keys, indexes, and what is left free in a page.
const ROW: u64 = 512;

/// Of the bound on size, the part that is removed beyond it, so that not every commit removes something.
const MARGIN: u64 = 64;

/// State of the upkeep.
pub(super) struct Upkeep {
    pub(super) bounds: Bounds,
    pub(super) clocks: Box<dyn Fn() -> Clocks + Send>,
    pub(super) ages: Ages,
    retention: Retention,
    looked: Option<Instant>,
    /// The last slice left something to do.
    is_due: bool,
    /// Bytes in use when that was last asked for, and those that were written since then at most.
    used: u64,
    written: u64,
}

impl Upkeep {
    pub(super) fn new(bounds: Bounds, marks: Option<&[u8]>) -> Self {
        Self {
            bounds,
            clocks: Box::new(age::clocks),
            ages: Ages::restore(marks, bounds.days, age::clocks()),
            retention: Retention::default(),
            looked: None,
            is_due: true,
            used: bounds.bytes,
            written: 0,
        }
    }

    /// Another database is in use.
    pub(super) fn begin_anew(&mut self) {
        self.retention = Retention::default();
        self.used = self.bounds.bytes;
    }

    /// Time to wait for a batch before the next slice.
    pub(super) fn wait(&self) -> Duration {
        let next = || self.looked.map_or(QUIET, |at| LOOK.saturating_sub(at.elapsed()));
        if self.is_due { QUIET } else { next().max(QUIET) }
    }

    /// Lets the next slice search for old documents at once.
    #[cfg(test)]
    pub(super) fn look_now(&mut self) {
        self.looked = None;
    }

    pub(super) fn note_written(&mut self, batches: &[RowBatch]) {
        self.written += batches.iter().map(bytes_of).sum::<u64>();
        self.is_due = true;
    }
}

fn bytes_of(batch: &RowBatch) -> u64 {
    let documents = batch.documents.iter().map(|one| (one.body.len() + one.brief.len()) as u64 + ROW);
    let incidents = batch.incidents.iter().map(|one| one.state.len() as u64 + ROW);
    let connections =
        batch.connections.iter().flatten().map(|(key, state)| (key.len() + state.len()) as u64 + ROW);
    let verdicts = batch.verdicts.iter().map(|one| one.state.len() as u64 + ROW);
    let changed = batch
        .changed_connections
        .iter()
        .map(|(key, state)| (key.len() + state.as_ref().map_or(0, Vec::len)) as u64 + ROW);
    documents.chain(incidents).chain(connections).chain(changed).chain(verdicts).sum::<u64>()
        + (batch.terms.len() + batch.contacts.len()) as u64 * ROW
}

impl Writer {
    /// Does the upkeep that cannot wait, and a slice of the rest if no batch waits.
    ///
    /// # Errors
    /// As for a commit.
    pub(super) fn tend(&mut self, gathered: Gathered) -> Result<(), StorageError> {
        if self.failing.is_some() {
            return Ok(());
        }
        let done = waiting(Wait::Disk, || {
            self.bound_size()?;
            if files::wal_bytes(&self.path) >= CHECKPOINT_MUST {
                self.checkpoint()?;
            }
            if gathered == Gathered::Quiet {
                self.upkeep.is_due = self.slice()?;
            }
            Ok(())
        });
        match done.map_err(|source| self.failed("look after", source)) {
            Err(error) if error.remedy() == Remedy::Replace => self.replace(&error.cause()),
            Err(error) => self.note_failure(error),
            Ok(()) => Ok(()),
        }
    }

    /// Does one slice of the upkeep. Returns whether there may be more.
    fn slice(&mut self) -> rusqlite::Result<bool> {
        if files::wal_bytes(&self.path) >= CHECKPOINT_AT {
            self.checkpoint()?;
        }
        if self.upkeep.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return retention::shrink(&self.connection, self.upkeep.bounds.bytes);
        }
        let now = (self.upkeep.clocks)();
        if self.upkeep.ages.keep(now, self.committed.sequence()) {
            let marks = self.upkeep.ages.bytes();
            let marks = RowBatch { meta: vec![(MARKS, marks)], ..RowBatch::default() };
            let transaction = self.connection.transaction()?;
            super::put(&transaction, &marks)?;
            transaction.commit()?;
        }
        if let Some(old) = self.upkeep.ages.too_old(now) {
            let removed = self.upkeep.retention.by_age(&mut self.connection, &old)?;
            self.note_removed(&removed);
            if removed != Removed::default() {
                return Ok(true);
            }
        }
        self.upkeep.looked = Some(Instant::now());
        Ok(true)
    }

    /// Removes documents as soon as the bytes written may exceed the bound.
    fn bound_size(&mut self) -> rusqlite::Result<()> {
        let Bounds { bytes: most, .. } = self.upkeep.bounds;
        if self.upkeep.used + self.upkeep.written < most {
            return Ok(());
        }
        self.upkeep.used = retention::used(&self.connection)?;
        self.upkeep.written = 0;
        if self.upkeep.used <= most {
            return Ok(());
        }
        while self.upkeep.used > most - most / MARGIN {
            let removed = self.upkeep.retention.by_size(&mut self.connection)?;
            if removed == Removed::default() {
                break;
            }
            self.note_removed(&removed);
            self.upkeep.used = retention::used(&self.connection)?;
        }
        Ok(())
    }

    fn note_removed(&self, removed: &Removed) {
        self.committed.expired(&removed.documents);
    }

    /// Copies the log into the database, as far as no reader needs it. Waits for nobody.
    fn checkpoint(&self) -> rusqlite::Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }
}
