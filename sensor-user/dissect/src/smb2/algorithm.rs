//! Names of the algorithms in negotiate contexts of SMB 3.1.1 (MS-SMB2 2.2.3.1).

use std::borrow::Cow;

/// Purpose of an algorithm. Each has numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlgorithmKind {
    /// Encryption (2.2.3.1.2).
    Cipher,
    /// Compression (2.2.3.1.3).
    Compression,
    /// Signing (2.2.3.1.7).
    Signing,
}

impl AlgorithmKind {
    /// The name that MS-SMB2 gives a number, or the number in hexadecimal.
    #[must_use]
    pub fn name(self, number: u16) -> Cow<'static, str> {
        let names: &[&str] = match self {
            // 0 is the answer of a server that has no cipher in common with the client (3.3.5.4).
            Self::Cipher => &["NONE", "AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM"],
            Self::Compression => &["NONE", "LZNT1", "LZ77", "LZ77+Huffman", "Pattern_V1", "LZ4"],
            Self::Signing => &["HMAC-SHA256", "AES-CMAC", "AES-GMAC"],
        };
        names
            .get(usize::from(number))
            .map_or_else(|| format!("0x{number:04x}").into(), |name| Cow::Borrowed(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_number_of_the_standard() {
        for (kind, last, name) in [
            (AlgorithmKind::Cipher, 4, "AES-256-GCM"),
            (AlgorithmKind::Compression, 5, "LZ4"),
            (AlgorithmKind::Signing, 2, "AES-GMAC"),
        ] {
            assert_eq!(kind.name(last), name);
            assert_eq!(kind.name(last + 1), format!("0x{:04x}", last + 1));
            assert_eq!(kind.name(u16::MAX), "0xffff");
        }
        assert_eq!(AlgorithmKind::Signing.name(0), "HMAC-SHA256");
    }
}
