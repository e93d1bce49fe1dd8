//! Small files that are complete or absent: a new file is written beside the old one and then replaces it.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// Names tried for the new file: interrupted writes may have left some behind.
const TRIES: usize = 1_000;

/// Files written so far.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Replaces the file at `path` with `bytes`. A reader, or a crash, finds the old or the new one. Of several concurrent
/// calls the last wins, and each file is complete. Only the owner may read and write it.
///
/// # Errors
/// The system's, with the file's name; the old file stays.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("write {}: {error}", path.display()));
    let (fresh, mut file) = beside(path).map_err(named)?;
    let mut put = || {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    if let Err(error) = put() {
        // Nobody else knows this name. The failed write is reported, not a failed removal.
        let _ = fs::remove_file(&fresh);
        return Err(named(error));
    }
    // The directory entry is synchronised separately.
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all()).map_err(named)
}

/// A new file beside `path`, with a unique name.
fn beside(path: &Path) -> io::Result<(PathBuf, fs::File)> {
    for _ in 0..TRIES {
        let mut name = OsString::from(path);
        name.push(format!(".{}-{}.new", process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed)));
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (name.into(), file)),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "remove the files beside it that end in .new"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn replaces_a_file_whole_and_names_one_it_cannot() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let nowhere = directory.path().join("no/file");
        assert!(write(&nowhere, b"x").unwrap_err().to_string().contains("no/file"));
    }

    #[test]
    fn concurrent_writers_never_fail_or_mix() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::thread::scope(|scope| {
            let writers = (0..8u8).map(|number| {
                let path = &path;
                scope.spawn(move || (0..20).try_for_each(|_| write(path, &[number; 5_000])))
            });
            for writer in writers.collect::<Vec<_>>() {
                writer.join().unwrap().unwrap();
            }
        });
        let there = fs::read(&path).unwrap();
        assert!(there.len() == 5_000 && there.iter().all(|byte| *byte == there[0]));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
