//! Opening the embedded stores (redb) of the state directory: for one process at a time, readable by nobody but its user.

use std::{
    cell::Cell,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::Once,
};

use redb::{Database, StorageBackend, backends::FileBackend};

use self::overlay::Overlay;

mod overlay;

/// Bytes of a store that are kept in memory.
const CACHE: usize = 4 << 20;

/// Opens the store at `path`, which is made when missing.
///
/// # Errors
/// [`redb::Error::DatabaseAlreadyOpen`] when another process has it; anything else when it cannot be read or written.
pub(crate) fn open(path: &Path) -> Result<Database, redb::Error> {
    let is_new = !path.exists();
    let file = private_file(path)?;
    let opened = whole(|| with_backend(FileBackend::new(file)?));
    if opened.is_err() && is_new {
        // Half of a store, as a full disk leaves it, would be taken for a damaged one the next time.
        let _ = fs::remove_file(path);
    }
    opened
}

/// Whether there is a file that has nothing in it. A store has something from its first moment on.
pub(crate) fn is_emptied(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| there.is_file() && there.len() == 0)
}

/// Opens the store at `path` to read it; it may be of a crash, and on a disk that is full or not to be written. What is written
/// to it is in memory alone.
///
/// # Errors
/// [`redb::Error::DatabaseAlreadyOpen`] when another process writes it; anything else when it cannot be read.
pub(crate) fn open_unwritten(path: &Path) -> Result<Database, redb::Error> {
    let file = File::open(path)?;
    whole(|| with_backend(Overlay::over(file)?))
}

fn with_backend(backend: impl StorageBackend) -> Result<Database, redb::Error> {
    Ok(redb::Builder::new().set_cache_size(CACHE).create_with_backend(backend)?)
}

/// Opens a file to read and write, made with mode 0600 when missing.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

thread_local! {
    /// Whether a panic of this thread is told as an error, and by nobody else.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Reads a store; on some kinds of damage the library panics where it should refuse.
pub(crate) fn whole<T>(read: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    static HOOK: Once = Once::new();
    // There is one hook for all threads, and it goes on telling of the panics of the others.
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                before(info);
            }
        }));
    });
    EXPECTED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    EXPECTED.set(false);
    result.unwrap_or_else(|_| Err(redb::Error::Corrupted("the store is damaged".to_owned())))
}
