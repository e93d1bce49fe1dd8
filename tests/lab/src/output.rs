//! The output of a child, collected line by line as it comes.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::deadline::patience;

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of output, without its line ending; bytes that are not UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it was written.
    pub stream: Stream,
    /// What was written.
    pub text: String,
    /// When it was read.
    pub at: Instant,
}

/// The output of both streams so far.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) lines: Vec<Line>,
    /// Streams that have ended; two is the end of all output.
    closed: usize,
}

/// The collection, shared by the threads that read the two streams and those that wait for lines.
#[derive(Default)]
pub(crate) struct Output {
    collected: Mutex<Collected>,
    changed: Condvar,
}

impl Output {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads `source` to its end.
    pub(crate) fn collect(&self, stream: Stream, source: impl Read) {
        let mut source = BufReader::new(source);
        let mut bytes = Vec::new();
        while matches!(source.read_until(b'\n', &mut bytes), Ok(1..)) {
            let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned();
            bytes.clear();
            self.lock().lines.push(Line { stream, text, at: Instant::now() });
            self.changed.notify_all();
        }
        self.lock().closed += 1;
        self.changed.notify_all();
    }

    /// Checks the collection after every change until `look` gives a value, both streams are closed or time is up.
    pub(crate) fn wait<T>(
        &self,
        within: Duration,
        mut look: impl FnMut(&Collected) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience(within);
        let mut collected = self.lock();
        loop {
            if let Some(value) = look(&collected) {
                return Some(value);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || collected.closed == 2 {
                return None;
            }
            (collected, _) =
                self.changed.wait_timeout(collected, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
