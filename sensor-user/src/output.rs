//! Where documents go: the journal, and from there JSON lines on standard output or in a file.
//!
//! A thread of its own writes, so that a destination that blocks or fails holds up nothing else. What it does not take waits in
//! the journal, also over a restart.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use log::warn;
use serde_json::Value;
use thiserror::Error;

use crate::journal::{Entry, Feed, Journal, Numbers};

/// Time before a destination that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// The output cannot be used.
#[derive(Debug, Error)]
#[error("cannot open the output file {}: {source}. Name another with --output or `output`", path.display())]
pub struct OpenError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Where documents go.
pub trait Sink {
    /// Takes documents.
    fn push(&mut self, documents: Vec<Value>);
    /// Keeps documents that are still to come, as they would be told now, for whoever comes after a killed process.
    fn keep(&mut self, _documents: Vec<Value>) {}
    /// Waits until everything is written, at most for `patience`.
    fn settle(&mut self, patience: Duration);
    /// Whether it wants flows beside alerts.
    fn takes_flows(&self) -> bool;
    /// Documents written.
    fn written(&self) -> u64;
    /// What became of the others.
    fn numbers(&self) -> Numbers;
}

/// A JSON-lines output that reads the journal.
pub struct Output {
    journal: Journal,
    written: Arc<AtomicU64>,
}

impl Sink for Output {
    fn push(&mut self, documents: Vec<Value>) {
        self.journal.push(&documents);
    }

    fn keep(&mut self, documents: Vec<Value>) {
        self.journal.keep(&documents);
    }

    fn settle(&mut self, patience: Duration) {
        self.journal.settle(patience);
    }

    fn takes_flows(&self) -> bool {
        true
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn numbers(&self) -> Numbers {
        self.journal.numbers()
    }
}

impl Output {
    /// Appends what comes into `journal` to `path`, or writes it to standard output.
    ///
    /// # Errors
    /// [`OpenError`] names the file.
    pub fn open(path: Option<&Path>, journal: Journal) -> Result<Self, OpenError> {
        let Some(path) = path else { return Ok(Self::to(io::stdout(), journal)) };
        let torn = is_torn(path);
        // Not blocking: a named pipe without a reader is an error, not a hang. Files do not care.
        let failed = |source| OpenError { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(failed)?;
        if torn {
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok(Self::to(file, journal))
    }

    /// Writes to `destination`, in a thread that ends when this is dropped or with the process.
    #[must_use]
    pub fn to(destination: impl Write + Send + 'static, journal: Journal) -> Self {
        let written = Arc::new(AtomicU64::new(0));
        let (feed, count) = (journal.feed(), Arc::clone(&written));
        thread::spawn(move || deliver(&feed, destination, &count));
        Self { journal, written }
    }
}

/// Whether a file ends within a line, which a process wrote that was killed: its document comes again whole.
fn is_torn(path: &Path) -> bool {
    let last = || {
        let metadata = fs::metadata(path)?;
        let mut last = [b'\n'];
        if metadata.is_file() && metadata.len() > 0 {
            File::open(path)?.read_exact_at(&mut last, metadata.len() - 1)?;
        }
        io::Result::Ok(last)
    };
    // What cannot be read may still be written.
    last().is_ok_and(|last| last != [b'\n'])
}

/// The thread that writes: document after document, none torn, and none twice but after a crash.
fn deliver(feed: &Feed, mut destination: impl Write, written: &AtomicU64) {
    let mut unreadable = false;
    loop {
        let batch = match feed.next() {
            Ok(Some(batch)) => batch,
            Ok(None) => return,
            Err(error) => {
                if !unreadable {
                    warn!("the output waits for the journal: {error}");
                }
                unreadable = true;
                if feed.pause(RETRY) {
                    return;
                }
                continue;
            }
        };
        unreadable = false;
        for entry in batch {
            if !write(feed, &mut destination, &entry) {
                return;
            }
            written.fetch_add(1, Ordering::Relaxed);
            feed.taken(&entry);
        }
    }
}

/// Writes a document, however long it takes; `false` when the journal ended meanwhile.
fn write(feed: &Feed, destination: &mut impl Write, entry: &Entry) -> bool {
    let line = [entry.text.as_bytes(), b"\n"].concat();
    let (mut partial, mut failing) = (0, false);
    while let Err(error) = write_rest(destination, &line, &mut partial) {
        if !failing {
            warn!("the output does not take alerts ({error}); they wait in the journal and are tried again");
        }
        failing = true;
        if feed.pause(RETRY) {
            return false;
        }
    }
    if failing {
        warn!("the output takes alerts again");
    }
    true
}

/// Writes what is left of `line`; `partial` counts the bytes that are out.
fn write_rest(destination: &mut impl Write, line: &[u8], partial: &mut usize) -> io::Result<()> {
    while *partial < line.len() {
        match destination.write(&line[*partial..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *partial += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    destination.flush()
}

#[cfg(test)]
mod tests;
