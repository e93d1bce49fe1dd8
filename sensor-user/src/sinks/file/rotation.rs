//! Rotation of a file by size and age: `FILE` becomes `FILE.1`, that becomes `FILE.2`, and so on.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::sinks::FileOptions;

/// When a file is rotated, and what is kept.
#[derive(Debug)]
pub(super) struct Rotation {
    size: Option<u64>,
    age: Option<Duration>,
    keep: u32,
    begun: SystemTime,
    failed: bool,
}

impl Rotation {
    /// The rotation of a file that was just opened.
    pub(super) fn of(options: &FileOptions, file: Option<&Metadata>) -> Self {
        let FileOptions { rotate_size: size, rotate_age: age, keep, .. } = *options;
        Self { size, age, keep, begun: begin(file), failed: false }
    }

    /// Another file was opened.
    pub(super) fn begin(&mut self, file: Option<&Metadata>) {
        self.begun = begin(file);
        self.failed = false;
    }

    /// Whether the file is to be put aside before a line of so many bytes. An empty file never is.
    pub(super) fn is_due(&self, path: &Path, line: u64) -> bool {
        if self.size.is_none() && self.age.is_none() {
            return false;
        }
        let size = fs::metadata(path).map_or(0, |file| file.len());
        let is_too_large = self.size.is_some_and(|most| size + line > most);
        // A clock that was set back makes no file old.
        let is_too_old = self.age.is_some_and(|most| self.begun.elapsed().is_ok_and(|age| age >= most));
        size > 0 && (is_too_large || is_too_old)
    }

    /// Renames the file and those that were put aside before; the oldest is removed.
    pub(super) fn rotate(&self, path: &Path) -> io::Result<()> {
        if self.keep == 0 {
            return fs::remove_file(path);
        }
        for number in (1..self.keep).rev() {
            match fs::rename(numbered(path, number), numbered(path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(path, numbered(path, 1))
    }

    /// Notes that the file could not be rotated; returns whether that is new.
    pub(super) fn note_failure(&mut self) -> bool {
        !std::mem::replace(&mut self.failed, true)
    }
}

/// When a file was made. Where the file system does not say, a file that has grown since is taken for a new one.
fn begin(file: Option<&Metadata>) -> SystemTime {
    file.and_then(|file| file.created().or_else(|_| file.modified()).ok()).unwrap_or_else(SystemTime::now)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use sensor_core::level::Severity;

    use super::*;
    use crate::{
        sinks::{OutputFile, Sink as _},
        storage::{DocumentKind, DocumentRow},
    };

    fn documents(count: u64) -> Vec<DocumentRow> {
        let document = |sequence| DocumentRow {
            sequence,
            id: String::new(),
            kind: DocumentKind::Incident,
            severity: Some(Severity::High),
            at: 0,
            body: format!("{{\"n\":{sequence}}}"),
            brief: Vec::new(),
        };
        (1..=count).map(document).collect()
    }

    #[test]
    fn file_is_rotated_by_size_at_the_end_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.json");
        let options = FileOptions { rotate_size: Some(16), keep: 2, ..FileOptions::at(path.clone()) };
        let mut output = OutputFile::open(&options).unwrap();
        let delivery = output.deliver(&documents(7));
        assert_eq!((delivery.settled, delivery.failure), (7, None));
        let text = |path: PathBuf| fs::read_to_string(path).unwrap();
        // Two lines fit, and the oldest file is gone.
        assert_eq!(text(path.clone()), "{\"n\":7}\n");
        assert_eq!(text(numbered(&path, 1)), "{\"n\":5}\n{\"n\":6}\n");
        assert_eq!(text(numbered(&path, 2)), "{\"n\":3}\n{\"n\":4}\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn file_is_rotated_by_age_unless_it_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.json");
        fs::write(&path, "").unwrap();
        let options = FileOptions { rotate_age: Some(Duration::ZERO), ..FileOptions::at(path.clone()) };
        let rotation = Rotation::of(&options, None);
        assert!(!rotation.is_due(&path, 1), "an empty file has nothing to put aside");
        fs::write(&path, "{}\n").unwrap();
        assert!(rotation.is_due(&path, 1));
        let young = FileOptions { rotate_age: Some(Duration::from_secs(3_600)), ..options };
        assert!(!Rotation::of(&young, None).is_due(&path, 1));
    }

    #[test]
    fn file_that_cannot_be_rotated_grows_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.json");
        // A directory that is not empty is in the way.
        fs::create_dir_all(numbered(&path, 1).join("x")).unwrap();
        let options = FileOptions { rotate_size: Some(8), keep: 1, ..FileOptions::at(path.clone()) };
        let mut output = OutputFile::open(&options).unwrap();
        assert_eq!(output.deliver(&documents(3)).settled, 3);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
