//! Standard output of short commands.

use std::io::{self, BufWriter, Write};

use anyhow::{Context as _, Result};

/// Calls `print` to write to standard output.
///
/// # Errors
/// As [`settled`].
pub fn write(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    settled(print(&mut out).and_then(|()| out.flush()))
}

/// The result of writing to standard output. A closed pipe is no failure: the reader has enough, like `head`.
///
/// # Errors
/// If writing fails for any other reason.
pub fn settled(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_pipe_is_no_failure_and_a_full_disk_is_one() {
        assert!(settled(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        let error = settled(Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(error.to_string().contains("standard output"), "{error}");
    }
}
