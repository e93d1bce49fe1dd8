//! Where alerts go: JSON lines on standard output or in a file.
//!
//! What the destination does not take is kept and tried again, up to a bound; what goes over it is counted.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde_json::Value;
use thiserror::Error;

/// Bytes of documents kept while the destination does not take them.
const KEPT: usize = 64 << 20;

/// The output cannot be used.
#[derive(Debug, Error)]
#[error("cannot open the output file {}: {source}. Name another with --output or `output`", path.display())]
pub struct OpenError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A JSON-lines output.
pub struct Output<W = Box<dyn Write + Send>> {
    destination: W,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// Bytes of the first waiting line that are written already.
    partial: usize,
    written: u64,
    dropped: u64,
}

impl Output {
    /// Appends to `path`, or writes to standard output.
    ///
    /// # Errors
    /// [`OpenError`] names the file.
    pub fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let Some(path) = path else {
            return Ok(Self::to(Box::new(io::stdout())));
        };
        let file: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|source| OpenError { path: path.to_owned(), source })?;
        Ok(Self::to(Box::new(file)))
    }
}

impl<W: Write> Output<W> {
    /// Writes to `destination`.
    #[must_use]
    pub const fn to(destination: W) -> Self {
        Self { destination, waiting: VecDeque::new(), waiting_bytes: 0, partial: 0, written: 0, dropped: 0 }
    }

    /// Takes documents; [`flush`](Self::flush) writes them.
    pub fn push(&mut self, documents: impl IntoIterator<Item = Value>) {
        for document in documents {
            let mut line = document.to_string().into_bytes();
            line.push(b'\n');
            self.waiting_bytes += line.len();
            self.waiting.push_back(line);
        }
        while self.waiting_bytes > KEPT && self.partial == 0 {
            let Some(line) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes -= line.len();
            self.dropped += 1;
        }
    }

    /// Writes whatever waits. On an error the rest stays for the next time, and no line is written twice or torn.
    ///
    /// # Errors
    /// The destination's.
    pub fn flush(&mut self) -> io::Result<()> {
        while let Some(line) = self.waiting.front() {
            match self.destination.write(&line[self.partial..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.partial += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.partial == line.len() {
                self.waiting_bytes -= line.len();
                self.partial = 0;
                self.written += 1;
                self.waiting.pop_front();
            }
        }
        self.destination.flush()
    }

    /// Documents written.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Documents that wait for the destination.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Documents given up because too many waited.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Takes `room` bytes, three at a time, and then fails.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(3).min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_destination_delays_lines_and_tears_none() {
        let mut output = Output::to(Narrow { taken: vec![], room: 13 });
        output.push([json!({"a": 1}), json!({"b": 2}), json!({"c": 3})]);
        assert_eq!(output.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!((output.written(), output.waiting()), (1, 2));
        output.destination.room = 1_000;
        output.flush().unwrap();
        assert_eq!((output.written(), output.waiting(), output.dropped()), (3, 0, 0));
        assert_eq!(output.destination.taken, b"{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
    }

    #[test]
    fn what_goes_over_the_bound_is_counted() {
        let mut output = Output::to(Narrow { taken: vec![], room: 0 });
        let big = "x".repeat(KEPT / 2);
        output.push([json!(big), json!(big), json!(big)]);
        assert_eq!(output.dropped(), 2);
        assert_eq!(output.waiting(), 1);
    }
}
