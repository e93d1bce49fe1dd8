//! An output file, which other programs may rename, remove or truncate at any time.

mod rotation;

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::IgnoredAny;
use thiserror::Error;
use tracing::warn;

use self::rotation::Rotation;
use super::{Delivery, FileOptions, LOCAL_PAUSE, Sink, lines::Lines};
use crate::storage::DocumentRow;

/// The output cannot be used.
#[derive(Debug, Error)]
#[error("cannot open the output file {}: {source}. Name another with --output or `output`", path.display())]
pub struct OpenError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Appends documents to a file. Before each line it checks that the file is still the one under its name, and opens the name
/// again if not, so that nothing is written to a file that log rotation has put aside.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    lines: Lines<File>,
    /// Of the open file.
    identity: Identity,
    rotation: Rotation,
}

/// Device and inode, which differ between two files with the same name. `None` if the path is no regular file.
type Identity = Option<(u64, u64)>;

impl OutputFile {
    /// Opens a file, which is created if missing.
    ///
    /// # Errors
    /// [`OpenError`] with the file.
    pub fn open(options: &FileOptions) -> Result<Self, OpenError> {
        let path = &options.path;
        let (file, identity) = open(path).map_err(|source| OpenError { path: path.clone(), source })?;
        let rotation = Rotation::of(options, file.metadata().ok().as_ref());
        Ok(Self { path: path.clone(), lines: Lines::to(file), identity, rotation })
    }

    /// Whether another file, or none, has its name now.
    fn is_moved(&self) -> bool {
        self.identity.is_some()
            && fs::metadata(&self.path).ok().and_then(|now| identity(&now)) != self.identity
    }
}

impl OutputFile {
    fn write(&mut self, document: &DocumentRow) -> io::Result<()> {
        // A line that was begun is finished in the same file, or written anew in another if that file is gone for good.
        if !self.lines.is_within(document) {
            if self.is_moved() {
                self.reopen()?;
            }
            // A pipe or a device has no size and no age.
            if self.identity.is_some() && self.rotation.is_due(&self.path, document.body.len() as u64 + 1) {
                self.rotate()?;
            }
        }
        self.lines.write(document)
    }

    /// Puts the file aside and begins another. If it cannot be renamed, it grows on, so that no document is lost for that.
    fn rotate(&mut self) -> io::Result<()> {
        match self.rotation.rotate(&self.path) {
            Ok(()) => self.reopen(),
            Err(error) => {
                if self.rotation.note_failure() {
                    warn!("{} cannot be rotated: {error}; it grows on", self.path.display());
                }
                Ok(())
            }
        }
    }
}

impl Sink for OutputFile {
    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery {
        Delivery::one_by_one(documents, |document| self.write(document))
    }

    fn longest_pause(&self) -> Duration {
        LOCAL_PAUSE
    }

    fn reopen(&mut self) -> io::Result<()> {
        if !self.is_moved() {
            return Ok(());
        }
        let (file, identity) = open(&self.path).map_err(|error| {
            io::Error::new(error.kind(), format!("{} cannot be opened again: {error}", self.path.display()))
        })?;
        self.rotation.begin(file.metadata().ok().as_ref());
        (self.lines, self.identity) = (Lines::to(file), identity);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, Identity)> {
    // An unreadable file may still be writable.
    let end = end_of(path).unwrap_or(End::Line);
    // Non-blocking: a named pipe without a reader is an error, not a hang. Files do not care.
    let mut file =
        OpenOptions::new().create(true).append(true).mode(0o640).custom_flags(libc::O_NONBLOCK).open(path)?;
    match end {
        End::Line => {}
        End::Document(begin) => file.set_len(begin)?,
        End::Text => file.write_all(b"\n")?,
    }
    let identity = identity(&file.metadata()?);
    Ok((file, identity))
}

fn identity(metadata: &Metadata) -> Identity {
    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

/// Most bytes of a document.
const MAX_DOCUMENT: u64 = 1 << 20;

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With a whole line, or it is empty or no regular file.
    Line,
    /// Within a document, which begins here: a killed process left it, and it will be written again.
    Document(u64),
    /// With something else.
    Text,
}

fn end_of(path: &Path) -> io::Result<End> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(End::Line);
    }
    let begin = metadata.len().saturating_sub(MAX_DOCUMENT);
    let mut tail = vec![0; (metadata.len() - begin) as usize];
    File::open(path)?.read_exact_at(&mut tail, begin)?;
    let last = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let rest = &tail[last..];
    Ok(match rest {
        [] => End::Line,
        [b'{', ..] if (last > 0 || begin == 0) && serde_json::from_slice::<IgnoredAny>(rest).is_err() => {
            End::Document(begin + last as u64)
        }
        _ => End::Text,
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::sinks::tests::fixture;

    fn document(sequence: u64) -> DocumentRow {
        let body = format!("{{\"n\":{sequence}}}");
        fixture(sequence, &body)
    }

    fn output() -> (TempDir, PathBuf, OutputFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts.json");
        let output = open_file(&path);
        (directory, path, output)
    }

    fn open_file(path: &Path) -> OutputFile {
        OutputFile::open(&FileOptions::at(path.to_owned())).unwrap()
    }

    #[test]
    fn part_of_a_document_is_cut_off_and_other_text_stays() {
        let (_directory, path, _) = output();
        for (before, stays) in [
            ("{\"whole\":1}\n{\"to", "{\"whole\":1}\n"),
            ("{\"to", ""),
            ("{\"whole\":1}", "{\"whole\":1}\n"),
            ("{\"whole\":1}\na note", "{\"whole\":1}\na note\n"),
        ] {
            fs::write(&path, before).unwrap();
            open_file(&path).write(&document(1)).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{stays}{{\"n\":1}}\n"), "{before}");
        }
    }

    #[test]
    fn renamed_file_is_left_and_a_new_one_begun() {
        let (directory, path, mut output) = output();
        let old = directory.path().join("alerts.json.1");
        output.write(&document(1)).unwrap();
        fs::rename(&path, &old).unwrap();
        output.write(&document(2)).unwrap();
        output.write(&document(3)).unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "{\"n\":1}\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":2}\n{\"n\":3}\n");
    }

    #[test]
    fn removed_and_replaced_files_are_opened_again() {
        let (_directory, path, mut output) = output();
        fs::remove_file(&path).unwrap();
        output.write(&document(1)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":1}\n");
        let other = path.with_extension("new");
        fs::write(&other, "").unwrap();
        fs::rename(&other, &path).unwrap();
        output.write(&document(2)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":2}\n");
    }

    #[test]
    fn file_that_was_truncated_is_appended_to() {
        let (_directory, path, mut output) = output();
        output.write(&document(1)).unwrap();
        File::create(&path).unwrap();
        output.write(&document(2)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":2}\n");
    }

    #[test]
    fn request_to_reopen_makes_the_file_at_once() {
        let (_directory, path, mut output) = output();
        fs::remove_file(&path).unwrap();
        output.reopen().unwrap();
        assert!(path.exists());
    }

    #[test]
    fn file_that_cannot_be_opened_again_is_named_and_tried_again() {
        let (directory, path, mut output) = output();
        let elsewhere = directory.path().with_extension("moved");
        fs::rename(directory.path(), &elsewhere).unwrap();
        let error = output.write(&document(1)).unwrap_err().to_string();
        assert!(error.contains("alerts.json cannot be opened again"), "{error}");
        fs::rename(&elsewhere, directory.path()).unwrap();
        output.write(&document(1)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":1}\n");
    }
}
