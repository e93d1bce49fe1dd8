//! Recognises an authentication response again without keeping it.
//!
//! Passwords can be guessed against a response, so only a keyed hash of it is kept: without the key it can be neither
//! recovered nor recognised.

use std::fmt;

/// The key of fingerprints: random, kept by the caller.
#[derive(Clone)]
pub struct FingerprintKey([u8; 32]);

impl FingerprintKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
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
    use super::*;

    #[test]
    fn another_key_gives_another_fingerprint() {
        let (one, other) = (FingerprintKey::new([1; 32]), FingerprintKey::new([2; 32]));
        assert_eq!(one.of(b"response"), one.of(b"response"));
        assert_ne!(one.of(b"response"), one.of(b"Response"));
        assert_ne!(one.of(b"response"), other.of(b"response"));
    }

    #[test]
    fn never_shows_the_key() {
        assert_eq!(format!("{:?}", FingerprintKey::new([7; 32])), "FingerprintKey");
    }
}
