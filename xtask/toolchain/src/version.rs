//! Versions of tools, as the tools print them.

use std::fmt;

/// A version of three numbers; what follows them (`-nightly`, `-rust-1.95.0-stable`) is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number, 0 where none is given.
    pub minor: u32,
    /// Third number, 0 where none is given.
    pub patch: u32,
}

impl Version {
    /// Makes a version of its three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Reads a version from the start of `text`: `1.97.0-nightly`, `22.1`, `15`.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].trim_end_matches('.').splitn(3, '.');
        let major = numbers.next()?.parse().ok()?;
        let mut next = || numbers.next().map_or(Some(0), |number| number.parse().ok());
        Some(Self { major, minor: next()?, patch: next()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What `rustc -vV` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RustcVersion {
    /// The compiler's own version.
    pub release: Version,
    /// Whether the compiler accepts unstable options by default.
    pub nightly: bool,
    /// The LLVM that writes its bitcode.
    pub llvm: Version,
    /// The triple it runs on, such as `x86_64-unknown-linux-gnu`.
    pub host: String,
    /// The commit it was built from; two tools of one release share it.
    pub commit: String,
}

impl RustcVersion {
    /// Reads the output of `rustc -vV`; `None` where a field it needs is absent.
    pub fn parse(output: &str) -> Option<Self> {
        let field = |name: &str| output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let release = field("release")?;
        Some(Self {
            release: Version::parse(release)?,
            nightly: release.contains("nightly") || release.contains("dev"),
            llvm: Version::parse(field("LLVM version")?)?,
            host: field("host")?.to_owned(),
            commit: field("commit-hash").unwrap_or_default().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIGHTLY: &str = "rustc 1.97.0-nightly (2f7e5d8a9 2026-05-18)\nbinary: rustc\n\
        commit-hash: 2f7e5d8a9\ncommit-date: 2026-05-18\nhost: aarch64-unknown-linux-gnu\n\
        release: 1.97.0-nightly\nLLVM version: 22.1.4\n";

    #[test]
    fn reads_versions_with_and_without_trailing_words() {
        assert_eq!(Version::parse("1.97.0-nightly"), Some(Version::new(1, 97, 0)));
        assert_eq!(Version::parse("22.1"), Some(Version::new(22, 1, 0)));
        assert_eq!(Version::parse("15"), Some(Version::new(15, 0, 0)));
        assert_eq!(Version::parse("0.10.3\n"), Some(Version::new(0, 10, 3)));
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in ["", ".", "nightly", "v1.2", "99999999999.1"] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn orders_versions_by_number_not_text() {
        assert!(Version::new(1, 100, 0) > Version::new(1, 95, 9));
    }

    #[test]
    fn reads_release_channel_llvm_and_host_of_rustc() {
        let version = RustcVersion::parse(NIGHTLY).unwrap();
        assert_eq!(version.release, Version::new(1, 97, 0));
        assert!(version.nightly);
        assert_eq!(version.llvm, Version::new(22, 1, 4));
        assert_eq!(version.host, "aarch64-unknown-linux-gnu");
        assert_eq!(version.commit, "2f7e5d8a9");
    }

    #[test]
    fn distribution_build_of_rustc_is_no_nightly() {
        let stable = NIGHTLY.replace("1.97.0-nightly", "1.96.0");
        assert!(!RustcVersion::parse(&stable).unwrap().nightly);
    }

    #[test]
    fn output_without_an_llvm_version_is_no_usable_rustc() {
        let other_backend = NIGHTLY.replace("LLVM version", "Cranelift version");
        assert_eq!(RustcVersion::parse(&other_backend), None);
    }
}
