//! Secrets of outputs: read from a file or the environment, never written in the configuration, a message or a log.

use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use thiserror::Error;
use tracing::warn;
use zeroize::Zeroizing;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file; a line break at its end does not belong to it.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
}

/// A secret. It is overwritten in memory when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// Why a secret cannot be had.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Its file cannot be read.
    #[error("the secret cannot be read from {}: {source}; write it there, or name another file", path.display())]
    File {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Its file is empty.
    #[error("{} is empty; write the secret into it", path.display())]
    Empty {
        /// File.
        path: PathBuf,
    },
    /// Its variable is not set.
    #[error("the variable {name} is empty, not set or not UTF-8; set it to the secret")]
    Environment {
        /// Variable.
        name: String,
    },
    /// The process could still be dumped.
    #[error("core dumps cannot be turned off: {0}")]
    Dumpable(#[source] nix::Error),
}

impl SecretSource {
    /// Reads the secret. From then on this process leaves no core dump.
    ///
    /// # Errors
    /// [`SecretError`]
    pub fn read(&self) -> Result<Secret, SecretError> {
        turn_off_core_dumps()?;
        let secret = match self {
            Self::File(path) => from_file(path)?,
            Self::Environment(name) => std::env::var(name)
                .ok()
                .filter(|secret| !secret.is_empty())
                .ok_or_else(|| SecretError::Environment { name: name.clone() })?
                .into(),
        };
        Ok(Secret(secret))
    }
}

/// Makes the kernel leave no core dump of this process. Called before a secret is in its memory.
///
/// # Errors
/// [`SecretError::Dumpable`]
pub(super) fn turn_off_core_dumps() -> Result<(), SecretError> {
    nix::sys::prctl::set_dumpable(false).map_err(SecretError::Dumpable)
}

/// Warns about a file with a secret that every user may read or change.
pub(super) fn warn_if_open(path: &Path) {
    if fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o007 != 0) {
        warn!("{} holds a secret, and every user may read it; chmod o= protects it", path.display());
    }
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    warn_if_open(path);
    let read = || fs::read_to_string(path).map(Zeroizing::new);
    let mut secret = read().map_err(|source| SecretError::File { path: path.to_owned(), source })?;
    let length = secret.trim_end_matches(['\r', '\n']).len();
    secret.truncate(length);
    if secret.is_empty() { Err(SecretError::Empty { path: path.to_owned() }) } else { Ok(secret) }
}

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::private_key;

    #[test]
    fn secret_of_a_file_has_no_line_break_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "s3cret\n").unwrap();
        let secret = SecretSource::File(path.clone()).read().unwrap();
        assert_eq!(secret.expose(), "s3cret");
        assert!(!format!("{secret:?}").contains("s3cret"));
        fs::write(&path, "\n").unwrap();
        let error = SecretSource::File(path).read().unwrap_err().to_string();
        assert!(error.contains("token is empty"), "{error}");
        let error = SecretSource::Environment("SMB_SENSOR_NO_SUCH".to_owned()).read().unwrap_err();
        assert!(error.to_string().contains("SMB_SENSOR_NO_SUCH"));
    }

    #[test]
    fn process_that_read_a_secret_or_a_private_key_leaves_no_core_dump() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let reads: [fn(&Path); 2] = [
            |path| drop(SecretSource::File(path.to_owned()).read().unwrap()),
            |path| drop(private_key(path).unwrap()),
        ];
        // One test for both: it alone makes the process dumpable, while those beside it run.
        for (number, read) in reads.iter().enumerate() {
            nix::sys::prctl::set_dumpable(true).unwrap();
            read(&path);
            assert!(!nix::sys::prctl::get_dumpable().unwrap(), "read {number}");
        }
    }
}
