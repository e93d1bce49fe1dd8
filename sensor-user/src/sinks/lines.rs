//! JSON lines: in a file, or on standard output.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::Sink;
use crate::storage::DocumentRow;

/// The output cannot be used.
#[derive(Debug, Error)]
#[error("cannot open the output file {}: {source}. Name another with --output or `output`", path.display())]
pub struct OpenError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Writes documents, each as one complete line.
#[derive(Debug)]
pub struct Lines<W> {
    destination: W,
    /// Index of the document that is being written, and the written bytes of its line.
    partial: (u64, usize),
}

impl Lines<File> {
    /// Appends to a file, which is created if missing.
    ///
    /// # Errors
    /// [`OpenError`] with the file.
    pub fn into_file(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError { path: path.to_owned(), source };
        let torn = is_torn(path);
        // Non-blocking: a named pipe without a reader is an error, not a hang. Files do not care.
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
        Ok(Self::to(file))
    }
}

impl<W: Write> Lines<W> {
    /// Writes to this.
    #[must_use]
    pub const fn to(destination: W) -> Self {
        Self { destination, partial: (0, 0) }
    }
}

impl<W: Write + Send> Sink for Lines<W> {
    fn deliver(&mut self, document: &DocumentRow) -> io::Result<()> {
        if self.partial.0 != document.sequence {
            self.partial = (document.sequence, 0);
        }
        let line = [document.body.as_bytes(), b"\n"].concat();
        while self.partial.1 < line.len() {
            match self.destination.write(&line[self.partial.1..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.partial.1 += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.destination.flush()
    }
}

/// Whether a file ends within a line, left by a killed process: the document will be written again.
fn is_torn(path: &Path) -> bool {
    let last = || {
        let metadata = fs::metadata(path)?;
        let mut last = [b'\n'];
        if metadata.is_file() && metadata.len() > 0 {
            File::open(path)?.read_exact_at(&mut last, metadata.len() - 1)?;
        }
        io::Result::Ok(last)
    };
    // An unreadable file may still be writable.
    last().is_ok_and(|last| last != [b'\n'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DocumentKind;

    fn document(sequence: u64, body: &str) -> DocumentRow {
        DocumentRow { sequence, kind: DocumentKind::Incident, severity: 73, at: 0, body: body.into() }
    }

    /// Accepts three bytes at a time, and refuses every other call.
    #[derive(Default)]
    struct Reluctant {
        taken: Vec<u8>,
        refuses: bool,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.refuses = !self.refuses;
            if self.refuses {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = bytes.len().min(3);
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn partly_accepted_line_is_written_once() {
        let mut lines = Lines::to(Reluctant::default());
        for sequence in 1..=2 {
            let document = document(sequence, "{\"a\":1}");
            let calls = (0..100).take_while(|_| lines.deliver(&document).is_err()).count();
            assert!(calls < 99);
        }
        assert_eq!(lines.destination.taken, b"{\"a\":1}\n{\"a\":1}\n");
    }

    #[test]
    fn torn_line_ends_before_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts.json");
        fs::write(&path, "{\"whole\":1}\n{\"to").unwrap();
        Lines::into_file(&path).unwrap().deliver(&document(1, "{}")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"whole\":1}\n{\"to\n{}\n");
    }
}
