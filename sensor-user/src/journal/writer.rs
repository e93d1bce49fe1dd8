//! The journal as it is written: takes documents and never blocks. What the disk does not take waits in memory up to a bound,
//! and the output has it all the same.

use std::{
    collections::VecDeque,
    mem,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use log::warn;
use serde_json::Value;

use super::{
    Bounds, Entry, Feed, JournalError, Kind, Reader,
    ahead::Ahead,
    store::{FILE, Stand, Store},
    threads::{commit, now, stage, take_in},
    unclosed,
};
use crate::store::is_emptied;

/// Bytes of documents kept in memory while the store does not take them.
const KEPT: u64 = 64 << 20;

/// A journal that is written. Dropping it commits what is there and closes the store.
pub struct Journal {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// What a killed process kept, and the disk did not take when this was opened: the next start tells it.
    inherited: Vec<Value>,
}

/// What the threads share.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) ahead: Mutex<Ahead>,
    pub(super) store: Arc<Store>,
}

/// Documents on their way to the disk.
#[derive(Default)]
pub(super) struct State {
    /// Documents that have no place yet.
    pub(super) queue: Vec<Entry>,
    /// Some of them are just being given one.
    pub(super) staging: bool,
    /// Those that have one and are not committed, with whether they were written ahead.
    pub(super) staged: VecDeque<(Arc<Entry>, bool)>,
    /// What stands for documents to come, until it is committed.
    pub(super) standing: Option<Arc<str>>,
    /// Bytes of both.
    pub(super) bytes: u64,
    /// The next place: every document before it is staged or committed.
    pub(super) next: u64,
    /// Where the output goes on, and whether it takes flows.
    pub(super) cursor: u64,
    pub(super) flows: bool,
    pub(super) numbers: Numbers,
    pub(super) ended: bool,
    /// Nothing will be staged any more.
    pub(super) all_staged: bool,
}

/// What became of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Not yet where a killed agent would find them again.
    pub unsaved: u64,
    /// Given up because too many waited in memory.
    pub dropped: u64,
    /// For the output, and not yet taken by it.
    pub waiting: u64,
    /// Dropped from the journal because they were too old or too many.
    pub expired: u64,
    /// Those of them that the output had not taken.
    pub expired_waiting: u64,
}

impl State {
    pub(super) const fn takes(&self, kind: Kind) -> bool {
        self.flows || matches!(kind, Kind::Alert)
    }

    /// What stands for documents to come, if every document pushed before it is staged: a commit of both leaves no gap.
    pub(super) fn standing_now(&self) -> Option<Arc<str>> {
        self.standing.clone().filter(|_| self.queue.is_empty() && !self.staging)
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left whole documents behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Opens the journal of a state directory, which is made when missing, and takes in what a killed process left ahead of the
    /// store. Alerts that it left open are closed. `flows` says whether the output takes flows too.
    ///
    /// # Errors
    /// [`JournalError`], with what to do.
    pub fn open(directory: &Path, bounds: Bounds, flows: bool) -> Result<Self, JournalError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| JournalError::Refused { path: directory.to_owned(), source })?;
        if let Err(emptied @ JournalError::Emptied { .. }) = exists(directory) {
            warn!("{emptied}");
        }
        let Opened { reader, ahead, next, stand } = Opened::in_directory(directory, bounds)?;
        let (next, inherited) = unclosed::close(&reader, &stand, next, now());
        let cursor = stand.cursor;
        let failed = |error| reader.error(error);
        let mut state = State { next, cursor, flows, ..State::default() };
        let now = reader.now().map_err(failed)?;
        for kind in Kind::ALL {
            if state.takes(kind) {
                state.numbers.waiting += now.count(kind, cursor).map_err(failed)?;
            }
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            ahead: Mutex::new(ahead),
            store: reader.0,
        });
        let threads = [stage as fn(&Shared), commit].map(|run| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || run(&shared))
        });
        Ok(Self { shared, threads: threads.into(), inherited })
    }

    /// Takes documents.
    pub fn push(&self, documents: &[Value]) {
        if documents.is_empty() {
            return;
        }
        let now = now();
        let entries: Vec<_> = documents.iter().map(|document| Entry::of(document, now)).collect();
        let mut state = self.shared.lock();
        for entry in entries {
            if state.bytes + entry.size() > KEPT {
                state.numbers.dropped += 1;
                continue;
            }
            state.bytes += entry.size();
            state.numbers.unsaved += 1;
            state.numbers.waiting += u64::from(state.takes(entry.kind));
            state.queue.push(entry);
        }
        self.shared.changed.notify_all();
    }

    /// Keeps documents that are still to come, as they would be told now, in place of those kept before: should the process be
    /// killed, the next start tells them.
    pub fn keep(&self, documents: &[Value]) {
        let text: Arc<str> = Value::from([&self.inherited, documents].concat()).to_string().into();
        self.shared.lock().standing = Some(text);
        self.shared.changed.notify_all();
    }

    /// What became of the documents.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.shared.lock().numbers
    }

    /// Reads it while it is written.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.shared.store))
    }

    /// What the output reads.
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed::of(Arc::clone(&self.shared))
    }

    /// Waits until the output took everything, at most for `patience`.
    pub fn settle(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut state = self.shared.lock();
        while state.numbers.waiting > 0 || state.numbers.unsaved > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        for thread in mem::take(&mut self.threads) {
            // One that panicked has told so.
            let _ = thread.join();
        }
    }
}

/// A journal that was opened, with nothing left ahead of the store.
struct Opened {
    reader: Reader,
    ahead: Ahead,
    next: u64,
    stand: Stand,
}

impl Opened {
    fn in_directory(directory: &Path, bounds: Bounds) -> Result<Self, JournalError> {
        let (store, stand) = Store::open(directory, bounds)?;
        let (mut ahead, left) = Ahead::open(directory)?;
        let reader = Reader(Arc::new(store));
        let next = take_in(&reader, left, &stand).map_err(|error| reader.error(error))?;
        ahead.clear_all().map_err(|source| JournalError::refused(directory.to_owned(), source))?;
        Ok(Self { reader, ahead, next, stand })
    }
}

/// Opens the journal of a state directory to read it, where no agent runs. Nothing is written, so the disk may be full.
///
/// # Errors
/// [`JournalError`], with what to do.
pub fn read(directory: &Path) -> Result<Reader, JournalError> {
    exists(directory)?;
    let (store, stand) = Store::unwritten(directory)?;
    let left = Ahead::left(directory)?;
    let reader = Reader(Arc::new(store));
    take_in(&reader, left, &stand).map_err(|error| reader.error(error))?;
    Ok(reader)
}

/// Whether a state directory has a store, with something in it.
fn exists(directory: &Path) -> Result<(), JournalError> {
    match directory.join(FILE) {
        path if is_emptied(&path) => Err(JournalError::Emptied { path }),
        path if path.exists() => Ok(()),
        path => Err(JournalError::Missing { path }),
    }
}

#[cfg(test)]
mod tests;
