//! The thread of a sink.

use std::{path::Path, path::PathBuf, sync::Arc, thread, time::Duration};

use sensor_core::time::Timestamp;
use sensor_dissect::escape::shown;
use tracing::warn;

use super::{
    Delivery, LONGEST_PAUSE, Sink, SinkError, backoff::Backoff, progress::Progress, refused::RefusedFile,
};
use crate::{
    runtime::{Wait, fault, waiting},
    storage::{
        DocumentKind, DocumentQuery, DocumentRow, Handle, OUTPUT_CURSOR, Reader, RowBatch, StorageError,
    },
};

/// Time before a store that cannot be read is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Time after which a sink checks the store without a signal.
const LOOK: Duration = Duration::from_secs(60);

/// Time between two looks at a connection while nothing waits.
const LOOK_AT_CONNECTION: Duration = Duration::from_secs(10);

/// Most documents that are read at a time.
const BATCH: u64 = 512;

/// Reads the store and delivers.
pub(super) struct Worker {
    progress: Arc<Progress>,
    state_dir: PathBuf,
    store: Handle,
    /// Opened with the first document.
    reader: Option<Reader>,
    /// Of the database that the reader reads.
    generation: u64,
    refused: RefusedFile,
    /// For messages.
    label: String,
}

impl Worker {
    pub(super) fn new(progress: Arc<Progress>, state_dir: &Path, store: Handle) -> Self {
        let name = &progress.name;
        let label =
            if name == OUTPUT_CURSOR { "the output".to_owned() } else { format!("the output {name}") };
        let refused = RefusedFile::of(name, state_dir);
        let (state_dir, generation) = (state_dir.to_owned(), store.committed().generation());
        Self { state_dir, store, reader: None, generation, refused, label, progress }
    }

    /// Opens its sink, however long that takes; `None` if it should end meanwhile.
    pub(super) fn open(&self, open: impl Fn() -> Result<Box<dyn Sink>, SinkError>) -> Option<Box<dyn Sink>> {
        let mut backoff = Backoff::up_to(LONGEST_PAUSE);
        let mut failing = false;
        while !self.progress.stops() {
            match waiting(Wait::Server, &open) {
                Ok(sink) => return Some(sink),
                Err(error) => {
                    if !failing {
                        warn!("{} cannot start ({error}); it is tried again", self.label);
                    }
                    failing = true;
                    self.progress.note_failure(&error.to_string());
                    let wakes = || self.progress.stops() || self.progress.is_to_reopen();
                    self.wait(u64::MAX, backoff.pause(None), wakes);
                    let _ = self.progress.take_reopen();
                }
            }
        }
        None
    }

    /// Delivers until it should end.
    pub(super) fn run(mut self, mut sink: impl Sink) {
        self.deliver_all(&mut sink);
        // What it has open is closed, which may wait for the destination.
        waiting(Wait::Server, || drop(sink));
    }

    fn deliver_all(&mut self, sink: &mut impl Sink) {
        waiting(Wait::Server, || sink.begin());
        let mut backoff = Backoff::up_to(sink.longest_pause());
        let mut unreadable = false;
        let mut look = Duration::ZERO;
        while !self.progress.stops() {
            fault::point("sink-output");
            let cursor = self.progress.cursor();
            let wakes = || self.progress.stops() || self.progress.is_to_reopen();
            let arrived = self.wait(cursor, look, wakes);
            if self.progress.stops() {
                // What came since then is for the one that takes its place.
                return;
            }
            self.reopen_if_asked(sink);
            if arrived <= cursor {
                look = self.look(sink);
                continue;
            }
            match self.next(cursor, arrived) {
                Ok(documents) => {
                    unreadable = false;
                    if !self.deliver(&documents, sink, &mut backoff) {
                        return;
                    }
                    if (documents.len() as u64) < BATCH {
                        // The others up to here are none of its own, or were removed.
                        self.progress.advance_to(arrived);
                    }
                    self.save_cursor();
                }
                Err(error) => {
                    if !unreadable {
                        warn!("{} waits for the store: {error}", self.label);
                    }
                    unreadable = true;
                    if error.is_damage() {
                        self.store.committed().report_damage(self.generation);
                        // Wakes the writer.
                        let _ = self.store.submit(RowBatch::default());
                    }
                    waiting(Wait::Work, || thread::sleep(RETRY));
                }
            }
        }
    }

    /// Looks whether the sink could deliver; gives the time until the next look.
    fn look(&self, sink: &mut impl Sink) -> Duration {
        let Some(ability) = waiting(Wait::Server, || sink.look()) else { return LOOK };
        let before = self.progress.ability();
        match (&before, &ability) {
            (None | Some(Ok(())), Err(reason)) => warn!(
                "{} cannot deliver ({}); documents will wait in the store. It is tried again",
                self.label,
                shown(reason.as_bytes())
            ),
            (Some(Err(_)), Ok(())) => warn!("{} can deliver again", self.label),
            _ => {}
        }
        self.progress.note_ability(ability);
        LOOK_AT_CONNECTION
    }

    fn reopen_if_asked(&self, sink: &mut impl Sink) {
        if self.progress.take_reopen()
            && let Err(error) = waiting(Wait::Server, || sink.reopen())
        {
            warn!("{} {error}; it is tried again with the next document", self.label);
        }
    }

    /// The next documents behind one position, up to another.
    fn next(&mut self, after: u64, up_to: u64) -> Result<Vec<DocumentRow>, StorageError> {
        let Progress { kind, min_severity, .. } = *self.progress;
        let min_severity = Some(min_severity);
        let query = DocumentQuery { after, kind, min_severity, limit: BATCH, ..DocumentQuery::default() };
        let documents = match self.store.committed().recent(&query, up_to) {
            Some(documents) => documents,
            None => waiting(Wait::Disk, || self.read(&query, up_to))?,
        };
        if let Some(last) = documents.last() {
            self.progress.subscriber.note_read(last.sequence);
        }
        Ok(documents)
    }

    /// The same from the database.
    fn read(&mut self, query: &DocumentQuery, up_to: u64) -> Result<Vec<DocumentRow>, StorageError> {
        let generation = self.store.committed().generation();
        // Another database may have taken the place of a damaged one.
        let reader = match self.reader.take().filter(|_| self.generation == generation) {
            Some(reader) => reader,
            None => Reader::open(&self.state_dir)?,
        };
        let reader = self.reader.insert(reader);
        self.generation = generation;
        let mut documents = Vec::new();
        reader.documents(query, |document| {
            // Later ones are read with the next batch.
            let is_within = document.sequence <= up_to;
            if is_within {
                documents.push(document);
            }
            is_within
        })?;
        Ok(documents)
    }

    /// Delivers documents, however long that takes; `false` if it should end meanwhile.
    fn deliver(&self, documents: &[DocumentRow], sink: &mut impl Sink, backoff: &mut Backoff) -> bool {
        let mut left = documents;
        let mut failing = false;
        while !left.is_empty() {
            let delivery = waiting(Wait::Server, || sink.deliver(left));
            self.settle(left, &delivery);
            left = &left[delivery.settled..];
            if delivery.settled > 0 {
                backoff.reset();
                if failing {
                    warn!("{} accepts documents again", self.label);
                }
                failing = false;
            }
            if let Some(failure) = delivery.failure {
                if !failing {
                    warn!(
                        "{} does not accept documents ({}); they wait in the store and are tried again",
                        self.label,
                        shown(failure.reason.as_bytes())
                    );
                }
                failing = true;
                self.progress.note_failure(&failure.reason);
                self.pause(backoff.pause(failure.retry_after), sink);
            }
            if self.progress.stops() && !left.is_empty() {
                self.save_cursor();
                return false;
            }
        }
        true
    }

    /// Waits for a document behind a place, or for what wakes it; gives the place of the last one.
    fn wait(&self, after: u64, patience: Duration, wakes: impl Fn() -> bool) -> u64 {
        waiting(Wait::Work, || self.store.committed().wait(after, patience, wakes))
    }

    /// Waits before the next attempt, unless it should end or try at once.
    fn pause(&self, pause: Duration, sink: &mut impl Sink) {
        let wakes = || self.progress.stops() || self.progress.is_to_reopen();
        self.wait(u64::MAX, pause, wakes);
        self.reopen_if_asked(sink);
    }

    /// Notes what became of documents, and keeps those that are refused.
    fn settle(&self, documents: &[DocumentRow], delivery: &Delivery) {
        let Some(last) = delivery.settled.checked_sub(1) else { return };
        for (index, reason) in &delivery.refused {
            warn!(
                "{} refuses the document {} ({}); it is kept in {}",
                self.label,
                documents[*index].id,
                shown(reason.as_bytes()),
                self.refused.path().display()
            );
            if let Err(error) = waiting(Wait::Disk, || self.refused.add(&documents[*index], reason)) {
                warn!("{} cannot be written: {error}", self.refused.path().display());
            }
        }
        // The time of a flow's summary is that of its last packet.
        let made = documents[..delivery.settled].iter().enumerate().filter(|(index, one)| {
            one.kind == DocumentKind::Incident && delivery.refused.iter().all(|(refused, _)| refused != index)
        });
        self.progress.note_made(made.map(|(_, one)| Timestamp::from_unix_nanos(one.at)));
        let refused = delivery.refused.len();
        self.progress.note_delivered((delivery.settled - refused) as u64, refused as u64);
        self.progress.advance_to(documents[last].sequence);
    }

    /// Saves its position. If the store refuses now, it is saved with the next document: after a crash some are delivered twice.
    pub(super) fn save_cursor(&self) {
        let cursors = vec![(self.progress.name.clone(), self.progress.cursor())];
        let _ = self.store.submit(RowBatch { cursors, ..RowBatch::default() });
    }
}
