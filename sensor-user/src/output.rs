//! Where alerts go: JSON lines on standard output or in a file.
//!
//! A thread of its own writes, so that a destination that blocks or fails holds up nothing else. What it does not take waits
//! in memory up to a bound; what goes over it is counted.

use std::{
    collections::VecDeque,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use thiserror::Error;

/// Bytes of documents kept while the destination does not take them.
const KEPT: usize = 64 << 20;

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
    /// Waits until everything is written, at most for `patience`.
    fn settle(&mut self, patience: Duration);
    /// Why the destination takes nothing at present.
    fn failing(&self) -> Option<String>;
    /// Documents written.
    fn written(&self) -> u64;
    /// Documents that wait for the destination.
    fn waiting(&self) -> usize;
    /// Documents given up because too many waited.
    fn dropped(&self) -> u64;
}

impl Sink for Output {
    fn push(&mut self, documents: Vec<Value>) {
        Self::push(self, documents);
    }

    fn settle(&mut self, patience: Duration) {
        Self::settle(self, patience);
    }

    fn failing(&self) -> Option<String> {
        Self::failing(self)
    }

    fn written(&self) -> u64 {
        Self::written(self)
    }

    fn waiting(&self) -> usize {
        Self::waiting(self)
    }

    fn dropped(&self) -> u64 {
        Self::dropped(self)
    }
}

/// A JSON-lines output.
pub struct Output {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    written: u64,
    dropped: u64,
    /// Why the destination does not take the first line, while it does not.
    failing: Option<String>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A thread that panicked left whole lines behind: the queue is as good as before.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// Appends to `path`, or writes to standard output.
    ///
    /// # Errors
    /// [`OpenError`] names the file.
    pub fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let Some(path) = path else { return Ok(Self::to(io::stdout())) };
        // Not blocking: a named pipe without a reader is an error, not a hang. Files do not care.
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(|source| OpenError { path: path.to_owned(), source })?;
        Ok(Self::to(file))
    }

    /// Writes to `destination`, in a thread that ends when this is dropped or with the process.
    #[must_use]
    pub fn to(destination: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::spawn(move || write_all(&writer, destination));
        Self { shared }
    }

    /// Takes documents.
    pub fn push(&self, documents: impl IntoIterator<Item = Value>) {
        let mut queue = self.shared.lock();
        for document in documents {
            let mut line = document.to_string().into_bytes();
            line.push(b'\n');
            if queue.waiting_bytes + line.len() > KEPT {
                queue.dropped += 1;
                continue;
            }
            queue.waiting_bytes += line.len();
            queue.waiting.push_back(line);
        }
        self.shared.changed.notify_all();
    }

    /// Waits until everything is written, at most for `patience`.
    pub fn settle(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut queue = self.shared.lock();
        while !queue.waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Why the destination takes nothing at present.
    #[must_use]
    pub fn failing(&self) -> Option<String> {
        self.shared.lock().failing.clone()
    }

    /// Documents written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.lock().written
    }

    /// Documents that wait for the destination.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Documents given up because too many waited.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
    }
}

/// The writer: takes line after line, none twice and none torn.
fn write_all(shared: &Shared, mut destination: impl Write) {
    let mut partial = 0;
    loop {
        let line = {
            let mut queue = shared.lock();
            loop {
                if queue.ended {
                    return;
                }
                if let Some(line) = queue.waiting.front() {
                    break line.clone();
                }
                queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        };
        match write_rest(&mut destination, &line, &mut partial) {
            Ok(()) => {
                partial = 0;
                let mut queue = shared.lock();
                queue.waiting.pop_front();
                queue.waiting_bytes -= line.len();
                queue.written += 1;
                queue.failing = None;
                shared.changed.notify_all();
            }
            Err(error) => {
                let mut queue = shared.lock();
                queue.failing = Some(error.to_string());
                let waited = shared.changed.wait_timeout_while(queue, RETRY, |queue| !queue.ended);
                drop(waited);
            }
        }
    }
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
mod tests {
    use std::sync::mpsc;

    use serde_json::json;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Takes `room` bytes, three at a time, and then fails.
    struct Narrow(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.lock().unwrap();
            let count = bytes.len().min(3).min(state.1);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.1 -= count;
            state.0.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Blocks until it is let go.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn until(condition: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < end, "not in time");
            thread::yield_now();
        }
    }

    #[test]
    fn a_full_destination_delays_lines_and_tears_none() {
        let state = Arc::new(Mutex::new((vec![], 13)));
        let output = Output::to(Narrow(Arc::clone(&state)));
        output.push([json!({"a": 1}), json!({"b": 2}), json!({"c": 3})]);
        until(|| output.failing().is_some());
        assert_eq!((output.written(), output.waiting()), (1, 2));
        state.lock().unwrap().1 = 1_000;
        output.settle(PATIENCE);
        assert_eq!((output.written(), output.waiting(), output.dropped()), (3, 0, 0));
        assert_eq!(state.lock().unwrap().0, b"{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
        assert_eq!(output.failing(), None);
    }

    #[test]
    fn a_destination_that_blocks_holds_nobody_up() {
        let (release, stuck) = mpsc::channel();
        let output = Output::to(Stuck(stuck));
        output.push([json!(1), json!(2)]);
        output.settle(Duration::from_millis(20));
        assert_eq!(output.waiting(), 2, "and this line is reached");
        drop(release);
        output.settle(PATIENCE);
        assert_eq!(output.written(), 2);
    }

    #[test]
    fn what_goes_over_the_bound_is_counted_also_in_the_middle_of_a_line() {
        let state = Arc::new(Mutex::new((vec![], 2)));
        let output = Output::to(Narrow(state));
        let big = "x".repeat(KEPT / 2);
        output.push([json!(big), json!(big), json!(big)]);
        until(|| output.failing().is_some());
        output.push([json!(big)]);
        assert_eq!((output.dropped(), output.waiting()), (3, 1));
    }

    #[test]
    fn a_named_pipe_that_nobody_reads_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Output::open(Some(&path)).is_err());
    }
}
