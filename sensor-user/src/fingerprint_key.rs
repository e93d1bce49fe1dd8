//! The key of credential fingerprints, kept in a file of the state directory.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use sensor_dissect::FingerprintKey;
use tracing::warn;

/// The machine's identifier, which must not be published (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// Name of the file in the state directory that holds the key.
const KEY_FILE: &str = "fingerprint.key";

/// A key that is the same on this machine each time and cannot be derived from documents: from
/// `/etc/machine-id`, or random without one.
///
/// # Errors
/// If there is neither a machine id nor randomness.
pub fn of_this_machine() -> io::Result<FingerprintKey> {
    let mut secret = fs::read(MACHINE_ID).unwrap_or_default();
    if secret.is_empty() {
        secret = vec![0; 32];
        fs::File::open("/dev/urandom")?.read_exact(&mut secret)?;
    }
    Ok(FingerprintKey::new(blake3::derive_key(
        "smb-sensor credential fingerprints of replayed captures",
        &secret,
    )))
}

/// The key in `directory`, made when first needed. Only its owner may read it.
///
/// # Errors
/// If it can be neither read nor made, or has another form.
pub fn kept_in(directory: &Path) -> io::Result<FingerprintKey> {
    let path = directory.join(KEY_FILE);
    let refused = |problem: &str| {
        let problem = format!("{} {problem}: remove it, and a new one will be made", path.display());
        io::Error::new(io::ErrorKind::InvalidData, problem)
    };
    // Other than plain files are neither waited for nor followed.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    match fs::OpenOptions::new().read(true).custom_flags(flags).open(&path) {
        Ok(file) => {
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(refused("is no plain file"));
            }
            if metadata.mode() & 0o077 != 0 {
                return Err(refused("may be read by others"));
            }
            let mut bytes = Vec::new();
            file.take(33).read_to_end(&mut bytes)?;
            if bytes.is_empty() {
                warn!(
                    "{} is empty, probably after a crash: a new key is made, and older fingerprints cannot be compared",
                    path.display()
                );
                return made_at(&path);
            }
            bytes.try_into().map(FingerprintKey::new).map_err(|_| refused("is no key of 32 bytes"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => made_at(&path),
        Err(error) => Err(error),
    }
}

fn made_at(path: &Path) -> io::Result<FingerprintKey> {
    let mut key = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    // Atomically: a cut key would be refused for ever.
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    Ok(FingerprintKey::new(key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keeps_the_key_and_refuses_a_damaged_one() {
        let directory = tempfile::tempdir().unwrap();
        let of = || kept_in(directory.path()).map(|key| key.of(b"response"));
        assert_eq!(of().unwrap(), of().unwrap());
        let path = directory.path().join(KEY_FILE);
        fs::write(&path, "short").unwrap();
        assert!(of().unwrap_err().to_string().contains("no key of 32 bytes"));
        fs::write(&path, "").unwrap();
        assert_eq!(of().unwrap(), of().unwrap(), "one that was emptied is made anew, once");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(of().unwrap_err().to_string().contains("read by others"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(of().is_err());
    }
}
