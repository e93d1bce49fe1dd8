//! Sinks: each reads the store from its own cursor and delivers the documents, on its own thread.
//!
//! Documents that a destination does not accept wait in the store, even over a restart. A destination delays nothing else.

mod lines;

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use thiserror::Error;
use tracing::warn;

pub use self::lines::{Lines, OpenError};
use crate::runtime::{Supervisor, fault};
use crate::storage::{
    DocumentKind, DocumentQuery, DocumentRow, Handle, OUTPUT_CURSOR, Reader, RowBatch, StorageError,
};

/// Time before a failed destination or store is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Time after which a sink checks the store without a signal.
const LOOK: Duration = Duration::from_secs(60);

/// Time for a sink to end.
const END: Duration = Duration::from_secs(1);

/// Most documents that are read at a time.
const BATCH: u64 = 512;

/// A destination.
pub trait Sink: Send {
    /// Delivers a document, or part of it: after an error it is called again with the same one.
    ///
    /// # Errors
    /// Why it cannot be delivered now.
    fn deliver(&mut self, document: &DocumentRow) -> std::io::Result<()>;
}

/// Why a sink cannot start.
#[derive(Debug, Error)]
pub enum SinkError {
    /// Its destination cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StorageError),
    /// A thread cannot be started.
    #[error("cannot start a thread for the output: {0}")]
    Thread(#[source] std::io::Error),
}

/// The running sinks.
#[derive(Default)]
pub struct Sinks {
    all: Vec<Running>,
}

struct Running {
    store: Handle,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Progress {
    /// Position of the last document that was delivered or skipped.
    cursor: AtomicU64,
    written: AtomicU64,
    stop: AtomicBool,
}

/// The parts of a sink.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Name of its cursor.
    pub name: &'static str,
    /// Directory of the store.
    pub state_dir: PathBuf,
    /// Whether it delivers summaries of connections too.
    pub flows: bool,
}

impl Sinks {
    /// Starts a sink.
    ///
    /// # Errors
    /// [`SinkError`]
    pub fn start(
        &mut self,
        subscription: Subscription,
        store: Handle,
        sink: impl Sink + 'static,
        supervisor: &Supervisor,
    ) -> Result<(), SinkError> {
        let generation = store.committed().generation();
        let reader = Reader::open(&subscription.state_dir)?;
        let progress = Arc::new(Progress::default());
        progress.cursor.store(reader.cursor(subscription.name)?.unwrap_or(0), Ordering::Relaxed);
        let woken = store.clone();
        let worker = Worker { subscription, store, reader, generation, progress: Arc::clone(&progress) };
        let name = format!("sink-{}", worker.subscription.name);
        let thread = supervisor
            .spawn(&name, move || {
                worker.run(sink);
                Ok::<_, Infallible>(())
            })
            .map_err(SinkError::Thread)?;
        self.all.push(Running { progress, store: woken, thread: Some(thread) });
        Ok(())
    }

    /// Waits until all have reached a position, at most for this time.
    pub fn settle(&self, place: u64, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.waiting(place) > 0 && Instant::now() < deadline && self.are_alive() {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether every sink runs.
    #[must_use]
    pub fn are_alive(&self) -> bool {
        self.all.iter().all(|one| one.thread.as_ref().is_some_and(|thread| !thread.is_finished()))
    }

    /// Documents that the slowest sink has not delivered, up to a position.
    #[must_use]
    pub fn waiting(&self, place: u64) -> u64 {
        let behind = |one: &Running| place.saturating_sub(one.progress.cursor.load(Ordering::Relaxed));
        self.all.iter().map(behind).max().unwrap_or(0)
    }

    /// Documents that were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.all.iter().map(|one| one.progress.written.load(Ordering::Relaxed)).sum()
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        for one in &self.all {
            one.progress.stop.store(true, Ordering::Relaxed);
            one.store.committed().wake();
        }
        for one in &mut self.all {
            let deadline = Instant::now() + END;
            let Some(running) = one.thread.take() else { continue };
            // One that hangs in its destination ends with the process.
            while !running.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(2));
            }
            if running.is_finished() {
                let _ = running.join();
            }
        }
    }
}

/// The thread of a sink.
struct Worker {
    subscription: Subscription,
    store: Handle,
    reader: Reader,
    /// Of the database that the reader reads.
    generation: u64,
    progress: Arc<Progress>,
}

impl Worker {
    fn run(mut self, mut sink: impl Sink) {
        let mut unreadable = false;
        while !self.stops() {
            fault::point("sink-output");
            let cursor = self.progress.cursor.load(Ordering::Relaxed);
            if self.store.committed().wait(cursor, LOOK, || self.stops()) <= cursor {
                continue;
            }
            match self.next(cursor) {
                Ok(documents) => {
                    unreadable = false;
                    if !self.deliver(&documents, &mut sink) {
                        return;
                    }
                }
                Err(error) => {
                    if !unreadable {
                        warn!("the output waits for the store: {error}");
                    }
                    unreadable = true;
                    if error.is_damage() {
                        self.store.committed().report_damage(self.generation);
                        // Wakes the writer.
                        let _ = self.store.submit(RowBatch::default());
                    }
                    thread::sleep(RETRY);
                }
            }
        }
    }

    fn stops(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
    }

    fn next(&mut self, after: u64) -> Result<Vec<DocumentRow>, StorageError> {
        let generation = self.store.committed().generation();
        if self.generation != generation {
            // Another database took the place of a damaged one.
            self.reader = Reader::open(&self.subscription.state_dir)?;
            self.generation = generation;
        }
        let mut documents = Vec::new();
        let query = DocumentQuery { after, limit: BATCH, ..DocumentQuery::default() };
        self.reader.documents(&query, |document| {
            documents.push(document);
            true
        })?;
        if documents.is_empty() {
            // Documents missing up to here were removed as too old.
            self.progress.cursor.store(self.store.committed().sequence(), Ordering::Relaxed);
        }
        Ok(documents)
    }

    /// Delivers documents, however long that takes; `false` if it should end meanwhile.
    fn deliver(&self, documents: &[DocumentRow], sink: &mut impl Sink) -> bool {
        for document in documents {
            if document.kind == DocumentKind::Flow && !self.subscription.flows {
                self.progress.cursor.store(document.sequence, Ordering::Relaxed);
                continue;
            }
            let mut failing = false;
            while let Err(error) = sink.deliver(document) {
                if !failing {
                    warn!(
                        "the output does not accept documents ({error}); they wait in the store and are tried again"
                    );
                }
                failing = true;
                if self.stops() {
                    self.save_cursor();
                    return false;
                }
                thread::sleep(RETRY);
            }
            if failing {
                warn!("the output accepts documents again");
            }
            self.progress.written.fetch_add(1, Ordering::Relaxed);
            self.progress.cursor.store(document.sequence, Ordering::Relaxed);
        }
        self.save_cursor();
        true
    }

    /// Saves its position. If the store refuses now, it is saved with the next document: after a crash some are delivered twice.
    fn save_cursor(&self) {
        let cursor = self.progress.cursor.load(Ordering::Relaxed);
        let cursors = vec![(self.subscription.name.to_owned(), cursor)];
        let _ = self.store.submit(RowBatch { cursors, ..RowBatch::default() });
    }
}

/// Starts the configured output: JSON lines in a file, or on standard output.
///
/// # Errors
/// [`SinkError`]
pub fn start(
    path: Option<&Path>,
    state_dir: &Path,
    flows: bool,
    store: Handle,
    supervisor: &Supervisor,
) -> Result<Sinks, SinkError> {
    let mut sinks = Sinks::default();
    let subscription = Subscription { name: OUTPUT_CURSOR, state_dir: state_dir.to_owned(), flows };
    match path {
        Some(path) => sinks.start(subscription, store, Lines::into_file(path)?, supervisor)?,
        None => sinks.start(subscription, store, Lines::to(std::io::stdout()), supervisor)?,
    }
    Ok(sinks)
}
