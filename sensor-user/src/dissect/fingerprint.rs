//! Telling two authentication responses apart without keeping either.
//!
//! A response is worth guessing passwords against, so it is only known by a keyed hash: without the key it can be neither
//! recovered nor recognised.

use std::{
    fmt, fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use log::warn;

/// What tells machines apart, and is not to be shown to strangers (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// Name of the file in the state directory that holds the key.
const KEY_FILE: &str = "fingerprint.key";

/// The key of fingerprints: random, kept by the caller.
#[derive(Clone)]
pub struct FingerprintKey([u8; 32]);

impl FingerprintKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key that is the same on this machine each time, and that nobody has who has only documents: from
    /// `/etc/machine-id`, or random where there is none.
    ///
    /// # Errors
    /// When there is neither a machine id nor randomness.
    pub fn of_this_machine() -> io::Result<Self> {
        let mut secret = fs::read(MACHINE_ID).unwrap_or_default();
        if secret.is_empty() {
            secret = vec![0; 32];
            fs::File::open("/dev/urandom")?.read_exact(&mut secret)?;
        }
        Ok(Self(blake3::derive_key("smb-sensor credential fingerprints of replayed captures", &secret)))
    }

    /// The key in `directory`, made at the first time. Only its owner may read it.
    ///
    /// # Errors
    /// When it can be neither read nor made, or is not what this makes.
    pub fn kept_in(directory: &Path) -> io::Result<Self> {
        let path = directory.join(KEY_FILE);
        let refused = |told: &str| {
            let told = format!("{} {told}: remove it, and a new one is made", path.display());
            io::Error::new(io::ErrorKind::InvalidData, told)
        };
        // What is no plain file is not waited for, nor followed elsewhere.
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
                        "{} was emptied, as by a crash: a new key is made, and fingerprints from before do not compare",
                        path.display()
                    );
                    return Self::made_at(&path);
                }
                bytes.try_into().map(Self).map_err(|_| refused("is no key of 32 bytes"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::made_at(&path),
            Err(error) => Err(error),
        }
    }

    fn made_at(path: &Path) -> io::Result<Self> {
        let mut key = [0; 32];
        fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        // Whole or not at all: a key that is cut would be refused for ever.
        let fresh = path.with_extension("new");
        let _ = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(&key)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        Ok(Self(key))
    }

    /// The fingerprint of a response: the first half of keyed BLAKE3.
    #[must_use]
    pub fn of(&self, response: &[u8]) -> Fingerprint {
        let mut half = [0; 16];
        half.copy_from_slice(&blake3::keyed_hash(&self.0, response).as_bytes()[..16]);
        Fingerprint(half)
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey")
    }
}

/// What a response is known by. Shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_kept_and_a_damaged_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let of = || FingerprintKey::kept_in(directory.path()).map(|key| key.of(b"response"));
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

    #[test]
    fn another_key_gives_another_fingerprint() {
        let (one, other) = (FingerprintKey::new([1; 32]), FingerprintKey::new([2; 32]));
        assert_eq!(one.of(b"response"), one.of(b"response"));
        assert_ne!(one.of(b"response"), one.of(b"Response"));
        assert_ne!(one.of(b"response"), other.of(b"response"));
    }

    #[test]
    fn the_key_is_never_shown() {
        assert_eq!(format!("{:?}", FingerprintKey::new([7; 32])), "FingerprintKey");
    }
}
