//! Hands batches to the writer, and waits for their commits.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
    time::{Duration, Instant},
};

use crate::latency::Latency;

use super::{
    DocumentQuery, DocumentRow, RowBatch, StorageError,
    recent::RecentDocuments,
    subscriber::{RemovedDocument, Subscriber, Subscribers},
};

/// Hands batches to the writer. Cheap to clone; the writer ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) sender: SyncSender<RowBatch>,
    pub(super) committed: Committed,
    /// The writer knows by it whether anybody is left.
    pub(super) alive: Arc<()>,
}

/// How far the writer is.
#[derive(Clone, Debug, Default)]
pub struct Committed(Arc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    /// The place of the last document that is committed.
    sequence: Mutex<u64>,
    moved: Condvar,
    submitted: AtomicU64,
    refused: AtomicU64,
    /// The writer takes nothing any more.
    ended: AtomicBool,
    done: AtomicU64,
    /// How much of the ring the committed state contains.
    ring: AtomicU64,
    /// Documents in batches that were taken and are not committed.
    documents: AtomicU64,
    failures: AtomicU64,
    /// Why the last commit failed, if it did.
    failing: Mutex<Option<String>>,
    expired: AtomicU64,
    expired_waiting: AtomicU64,
    lost: AtomicU64,
    /// How often another database took the place of a damaged one.
    generation: AtomicU64,
    /// Readers found damage in the database of this generation, counted from 1; 0 if none did.
    damaged: AtomicU64,
    subscribers: Subscribers,
    recent: RecentDocuments,
    latency: Latency,
}

/// What became of batches and documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageCounts {
    /// Batches that the writer took and has not committed.
    pub waiting: u64,
    /// Documents in them.
    pub waiting_documents: u64,
    /// Batches that were committed.
    pub committed: u64,
    /// Batches that the writer had no room for when they were handed over.
    pub refused: u64,
    /// Commits that failed and were tried again.
    pub failures: u64,
    /// Whether the last commit failed.
    pub is_failing: bool,
    /// Documents that retention removed.
    pub expired: u64,
    /// Of these, documents that a sink had not read.
    pub expired_waiting: u64,
    /// Documents that could not be read from a damaged database, or that the database refused.
    pub lost: u64,
}

impl Handle {
    /// Hands over a batch. Never waits.
    ///
    /// # Errors
    /// The batch, where the writer has too many before it or has ended.
    #[expect(clippy::result_large_err, reason = "a caller that is refused gets its batch back")]
    pub fn submit(&self, batch: RowBatch) -> Result<(), RowBatch> {
        // Counted in the order of the channel, so that a flush waits for its own batches and not for those of others.
        let _order = self.committed.lock();
        let documents = batch.documents.len() as u64;
        // Before the writer can have it.
        self.committed.0.documents.fetch_add(documents, Ordering::Relaxed);
        match self.sender.try_send(batch) {
            Ok(()) => {
                self.committed.0.submitted.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                self.committed.0.documents.fetch_sub(documents, Ordering::Relaxed);
                self.committed.0.refused.fetch_add(1, Ordering::Relaxed);
                Err(batch)
            }
        }
    }

    /// How far the writer is.
    #[must_use]
    pub const fn committed(&self) -> &Committed {
        &self.committed
    }

    /// Waits until everything that was handed over is committed; gives whether that was so in time. There is no wait for a writer
    /// that has ended.
    #[must_use]
    pub fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let wanted = self.committed.0.submitted.load(Ordering::Relaxed);
        let mut sequence = self.committed.lock();
        while self.committed.0.done.load(Ordering::Acquire) < wanted {
            if self.committed.0.ended.load(Ordering::Relaxed) {
                return false;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return false;
            };
            let waited = self.committed.0.moved.wait_timeout(sequence, left);
            sequence = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
        }
        true
    }
}

impl Committed {
    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.0.sequence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of the last document that is committed.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        *self.lock()
    }

    /// How much of the ring the committed state contains, as the last batch said that had such a position.
    #[must_use]
    pub fn ring(&self) -> u64 {
        self.0.ring.load(Ordering::Acquire)
    }

    /// Waits for a document behind a place, or until `stops` says so when the caller is [woken](Self::wake), for so long at most;
    /// gives the place of the last one.
    #[must_use]
    pub fn wait(&self, after: u64, patience: Duration, stops: impl Fn() -> bool) -> u64 {
        let waited =
            self.0.moved.wait_timeout_while(self.lock(), patience, |place| *place <= after && !stops());
        match waited {
            Ok((guard, _)) => *guard,
            Err(poisoned) => *poisoned.into_inner().0,
        }
    }

    /// The documents that a query finds, up to a place, where these are among the last ones, which are in memory; `None` if they must
    /// be read from the database.
    #[must_use]
    pub fn recent(&self, query: &DocumentQuery, up_to: u64) -> Option<Vec<DocumentRow>> {
        self.0.recent.documents(query, up_to)
    }

    /// Has everybody who waits look again.
    pub fn wake(&self) {
        let _known = self.lock();
        self.0.moved.notify_all();
    }

    /// What became of batches and documents.
    #[must_use]
    pub fn counts(&self) -> StorageCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StorageCounts {
            waiting: read(&self.0.submitted).saturating_sub(read(&self.0.done)),
            waiting_documents: read(&self.0.documents),
            committed: read(&self.0.done),
            refused: read(&self.0.refused),
            failures: read(&self.0.failures),
            is_failing: self.failure().is_some(),
            expired: read(&self.0.expired),
            expired_waiting: read(&self.0.expired_waiting),
            lost: read(&self.0.lost),
        }
    }

    /// Time from handing over documents to their commit.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        &self.0.latency
    }

    /// Which database is in use: one that took the place of a damaged one has a higher number.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// A reader found damage in the database of a generation. The writer looks at this with the next batch that it is handed.
    pub fn report_damage(&self, generation: u64) {
        self.0.damaged.fetch_max(generation + 1, Ordering::Relaxed);
    }

    /// Whether a reader found damage in the database that is in use.
    pub(super) fn is_damaged(&self) -> bool {
        self.0.damaged.load(Ordering::Relaxed) > self.generation()
    }

    /// Another database took the place of a damaged one, of which so many documents are lost.
    pub(super) fn replaced(&self, lost: u64) {
        self.lost(lost);
        self.0.recent.clear();
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    pub(super) fn lost(&self, documents: u64) {
        self.0.lost.fetch_add(documents, Ordering::Relaxed);
    }

    /// Batches are committed or given up, and `sequence` is the last place; `places` are those of their documents, as far as these
    /// are new.
    pub(super) fn advance(&self, sequence: u64, mut batches: Vec<RowBatch>, places: Vec<Option<u64>>) {
        let documents: usize = batches.iter().map(|batch| batch.documents.len()).sum();
        let committed = batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.documents));
        let committed = committed.zip(places).filter_map(|(one, place)| Some(one.at_place(place?)));
        // Before those who wait for them know of them.
        self.0.recent.add(committed);
        let mut known = self.lock();
        *known = (*known).max(sequence);
        batches.iter().filter_map(|batch| batch.made).for_each(|made| self.0.latency.observe(made.elapsed()));
        if let Some(place) = batches.iter().filter_map(|batch| batch.ring).next_back() {
            self.0.ring.store(place.position, Ordering::Release);
        }
        self.0.documents.fetch_sub(documents as u64, Ordering::Relaxed);
        self.0.done.fetch_add(batches.len() as u64, Ordering::Release);
        self.0.failing.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.0.moved.notify_all();
    }

    /// The writer has ended.
    pub(super) fn end(&self) {
        let _known = self.lock();
        self.0.ended.store(true, Ordering::Relaxed);
        self.0.moved.notify_all();
    }

    pub(super) fn failed(&self, error: &StorageError) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        *self.0.failing.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    /// Why the last commit failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts from now on what retention removes before this sink has read it.
    pub fn subscribe(&self, subscriber: Arc<Subscriber>) {
        self.0.subscribers.add(subscriber);
    }

    /// Counts for a sink no longer what is removed.
    pub fn unsubscribe(&self, subscriber: &Arc<Subscriber>) {
        self.0.subscribers.remove(subscriber);
    }

    pub(super) fn expired(&self, documents: &[RemovedDocument]) {
        let waiting = self.0.subscribers.note_removed(documents);
        self.0.recent.forget(documents);
        self.0.expired.fetch_add(documents.len() as u64, Ordering::Relaxed);
        self.0.expired_waiting.fetch_add(waiting, Ordering::Relaxed);
    }
}
