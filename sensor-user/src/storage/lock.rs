//! Lets one agent use a state directory: an advisory lock that ends with its process.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::StorageError;

/// Name of the file that is locked; it holds the process number of the agent.
const FILE: &str = "agent.lock";

/// The lock, held until this is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

impl Lock {
    /// Takes the lock of a directory, which is made when it is missing.
    ///
    /// # Errors
    /// [`StorageError::InUse`] with the process that holds it, or what is wrong with the directory.
    pub(super) fn take(directory: &Path) -> Result<Self, StorageError> {
        let failed = |source| StorageError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(directory.join(FILE)).map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut locked) => {
                // Only for a message to another agent: without it the lock holds all the same.
                let _ = locked.set_len(0).and_then(|()| locked.rewind());
                let _ = write!(locked, "{}", std::process::id());
                Ok(Self(locked))
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                Err(StorageError::InUse { path: directory.to_owned(), pid: text.trim().parse().ok() })
            }
            Err((_, errno)) => Err(failed(errno.into())),
        }
    }
}

/// The running agent that has the lock of a directory: its process, if it is known. `None` if none has it.
#[must_use]
pub fn agent_of(directory: &Path) -> Option<Option<u32>> {
    let file = File::open(directory.join(FILE)).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            Some(text.trim().parse().ok())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_agent_is_refused_with_the_process_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let first = Lock::take(directory.path()).unwrap();
        let refused = Lock::take(directory.path()).unwrap_err();
        assert_eq!(agent_of(directory.path()), Some(Some(std::process::id())));
        assert!(matches!(refused, StorageError::InUse { pid: Some(pid), .. } if pid == std::process::id()));
        drop(first);
        assert_eq!(agent_of(directory.path()), None);
        assert!(Lock::take(directory.path()).is_ok());
    }
}
