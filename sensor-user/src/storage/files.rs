//! The files of a database, and moving those of a damaged one aside.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::StorageError;

/// Damaged databases that are kept beside the one in use.
pub(super) const MAX_DAMAGED: u64 = 8;

/// The write-ahead log of a database, by SQLite's naming.
pub(super) fn wal(database: &Path) -> PathBuf {
    beside(database, "-wal")
}

/// The shared memory of a database, by SQLite's naming.
pub(super) fn shm(database: &Path) -> PathBuf {
    beside(database, "-shm")
}

/// Bytes of the write-ahead log; 0 without one.
pub(super) fn wal_bytes(database: &Path) -> u64 {
    fs::metadata(wal(database)).map_or(0, |about| about.len())
}

/// Whether the file system of a database refuses writes as a whole. The kernel says so of the folder's time, which is set to the
/// present; where it became read-only by an error, its flags do not show it.
pub(super) fn is_on_read_only(database: &Path) -> bool {
    let set = database.parent().map(|folder| fs::File::open(folder)?.set_modified(SystemTime::now()));
    matches!(set, Some(Err(error)) if error.kind() == io::ErrorKind::ReadOnlyFilesystem)
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Moves a damaged database aside with its log, so that both can be examined together; returns its new name.
///
/// The log goes first: whatever interrupts this, no log is left for a new database, and the next try has it beside its database.
///
/// # Errors
/// [`StorageError`], also where too many are kept already.
pub(super) fn set_aside(database: &Path) -> Result<PathBuf, StorageError> {
    let aside = (0..MAX_DAMAGED)
        .map(|number| beside(database, &format!(".damaged-{number}")))
        .find(|aside| !aside.exists() && (wal_bytes(database) == 0 || !wal(aside).exists()))
        .ok_or_else(|| StorageError::TooManyDamaged { path: database.to_owned(), count: MAX_DAMAGED })?;
    let moved = || -> io::Result<()> {
        for of in [wal, shm] {
            move_if_any(&of(database), &of(&aside))?;
        }
        fs::rename(database, &aside)
    };
    moved().map_err(|source| StorageError::Directory { path: database.to_owned(), source })?;
    Ok(aside)
}

/// Moves a file, if there is one. One that is empty goes.
fn move_if_any(from: &Path, to: &Path) -> io::Result<()> {
    match fs::metadata(from) {
        Ok(about) if about.len() == 0 => fs::remove_file(from),
        Ok(_) => fs::rename(from, to),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_keep_their_names_by_sqlite_and_a_move_that_was_interrupted_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("smb-sensor.db");
        let write = |path: &Path, text: &str| fs::write(path, text).unwrap();
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).ok();
        write(&path, "first");
        write(&wal(&path), "log");
        // As far as a killed agent came.
        fs::rename(wal(&path), directory.path().join("smb-sensor.db.damaged-0-wal")).unwrap();
        write(&wal(&path), "");
        set_aside(&path).unwrap();
        assert_eq!(read("smb-sensor.db.damaged-0").as_deref(), Some("first"));
        assert_eq!(read("smb-sensor.db.damaged-0-wal").as_deref(), Some("log"));
        assert_eq!((read("smb-sensor.db"), read("smb-sensor.db-wal")), (None, None));
        write(&path, "second");
        for (of, text) in [(wal(&path), "log"), (shm(&path), "memory")] {
            write(&of, text);
        }
        assert_eq!(set_aside(&path).unwrap(), directory.path().join("smb-sensor.db.damaged-1"));
        assert_eq!(read("smb-sensor.db.damaged-1-wal").as_deref(), Some("log"));
        assert_eq!(read("smb-sensor.db.damaged-1-shm").as_deref(), Some("memory"));
    }
}
