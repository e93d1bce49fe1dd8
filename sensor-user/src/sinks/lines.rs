//! JSON lines.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{Delivery, LOCAL_PAUSE, Sink};
use crate::storage::DocumentRow;

/// Writes documents, each as one complete line.
#[derive(Debug)]
pub struct Lines<W> {
    destination: W,
    /// Index of the document that is being written, and the written bytes of its line.
    partial: (u64, usize),
}

impl<W: Write> Lines<W> {
    /// Writes to this.
    #[must_use]
    pub const fn to(destination: W) -> Self {
        Self { destination, partial: (0, 0) }
    }

    /// Whether part of the line of this document was written.
    pub(super) fn is_within(&self, document: &DocumentRow) -> bool {
        self.partial.0 == document.sequence && self.partial.1 > 0
    }
}

impl<W: Write> Lines<W> {
    /// Writes a line, or part of it: after an error it is called again with the same document.
    pub(super) fn write(&mut self, document: &DocumentRow) -> io::Result<()> {
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

impl<W: Write + Send> Sink for Lines<W> {
    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery {
        Delivery::one_by_one(documents, |document| self.write(document))
    }

    fn longest_pause(&self) -> Duration {
        LOCAL_PAUSE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::tests::fixture as document;

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
        let documents = [1, 2].map(|sequence| document(sequence, "{\"a\":1}"));
        let mut settled = 0;
        let calls = (0..100)
            .take_while(|_| {
                settled += lines.deliver(&documents[settled..]).settled;
                settled < documents.len()
            })
            .count();
        assert!((2..99).contains(&calls));
        assert_eq!(lines.destination.taken, b"{\"a\":1}\n{\"a\":1}\n");
    }
}
