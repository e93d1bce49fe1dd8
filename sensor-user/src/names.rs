//! DNS names in exemptions: the addresses that each name stands for.
//!
//! The agent resolves the names on a schedule ([`resolver`]) and keeps the addresses in a file of the state directory, so that a
//! restart, `explain` and `exempt` know them too. An address is kept for its TTL and a day after it was last in an answer. Name
//! servers of large services answer with a part of their addresses, and connections outlive an answer. A name that cannot be
//! resolved keeps its addresses.

pub mod resolver;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use sensor_core::{enrichment::ConfiguredName, networks::inner, time::Timestamp};
use serde::{Deserialize, Serialize};

use crate::durable;

/// File of the state directory.
const FILE: &str = "resolved-names.json";

/// Time that an address is kept beyond its TTL.
const KEPT: Duration = Duration::from_secs(86_400);

/// Addresses of one name at most; the ones that were seen last.
const MAX_ADDRESSES: usize = 1_024;

/// Whether a word is a DNS name with at least one dot (RFC 1123 2.1; underscores as in service names). The last label of a name is not
/// numeric, so no mistyped address is taken for one.
#[must_use]
pub fn is_name(word: &str) -> bool {
    let name = word.strip_suffix('.').unwrap_or(word);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(is_label)
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// A name as it is looked up: without the dot at its end, in lower case.
pub(crate) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The names that addresses have in the configuration.
pub type NamedAddresses = BTreeMap<IpAddr, Vec<ConfiguredName>>;

/// Names and their addresses, each with the moment until which it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResolvedNames(BTreeMap<String, BTreeMap<IpAddr, Timestamp>>);

impl ResolvedNames {
    /// What was learnt so far with this state directory; nothing, if there is no file.
    ///
    /// # Errors
    /// The system's, or that the file is damaged, with its name.
    pub fn read(state_dir: &Path) -> io::Result<Self> {
        let path = file(state_dir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("read {}: {error}", path.display())));
            }
        };
        serde_json::from_slice(&text).map_err(|error| {
            let what = format!(
                "{} is damaged ({error}): remove it, and the agent resolves the names again",
                path.display()
            );
            io::Error::new(io::ErrorKind::InvalidData, what)
        })
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// The system's, with the file's name; the old file stays.
    pub fn write(&self, state_dir: &Path) -> io::Result<()> {
        durable::write(&file(state_dir), &serde_json::to_vec(self)?)
    }

    /// The addresses of a name; `None` if it was never resolved.
    #[must_use]
    pub fn networks(&self, name: &str) -> Option<Vec<IpNet>> {
        let addresses = self.0.get(&normal(name))?;
        Some(addresses.keys().map(|address| IpNet::from(inner(*address).unwrap_or(*address))).collect())
    }

    /// Whether an address is one of a name, as itself or by the IPv4 address inside it.
    #[must_use]
    pub fn has(&self, name: &str, address: IpAddr) -> bool {
        let seen = |address: IpAddr| inner(address).unwrap_or(address);
        self.0.get(&normal(name)).is_some_and(|known| known.keys().any(|one| seen(*one) == seen(address)))
    }

    /// Takes an answer that is valid for `ttl`. Gives whether the set of addresses changed.
    pub fn learn(&mut self, name: &str, answer: &[IpAddr], ttl: Duration, now: Timestamp) -> bool {
        let known = self.0.entry(normal(name)).or_default();
        let before: BTreeSet<IpAddr> = known.keys().copied().collect();
        known.retain(|_, until| *until > now);
        let until = now + ttl + KEPT;
        known.extend(answer.iter().map(|address| (*address, until)));
        while known.len() > MAX_ADDRESSES {
            let oldest = known.iter().min_by_key(|(_, until)| **until).map(|(address, _)| *address);
            oldest.and_then(|address| known.remove(&address));
        }
        !known.keys().eq(before.iter())
    }

    /// Forgets names that are used no more. Gives whether there were any.
    pub fn retain(&mut self, used: &BTreeSet<String>) -> bool {
        let before = self.0.len();
        let used: BTreeSet<String> = used.iter().map(|name| normal(name)).collect();
        self.0.retain(|name, _| used.contains(name));
        self.0.len() != before
    }
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn tells_names_from_addresses_and_other_words() {
        for name in
            ["account.file.core.windows.net", "a.b", "_smb.x.org.", "xn--bcher-kva.example", "1.2.3.example"]
        {
            assert!(is_name(name), "{name}");
        }
        let long = format!("{}.example", "a".repeat(64));
        for word in [
            "10.0.0.300",
            "8.8.4.4",
            "2001:db8::1",
            "10.0.0.0/8",
            "office",
            "",
            ".",
            "a..b",
            "-a.b",
            "a b.c",
            &long,
        ] {
            assert!(!is_name(word), "{word}");
        }
    }

    #[test]
    fn keeps_an_address_for_its_ttl_and_a_day() {
        let mut names = ResolvedNames::default();
        let ttl = Duration::from_secs(60);
        assert!(names.learn("Files.Example.", &[ip("8.8.4.4")], ttl, at(0)));
        assert!(!names.learn("files.example", &[ip("8.8.4.4")], ttl, at(100)), "the same again");
        assert!(names.learn("files.example", &[ip("8.8.4.5")], ttl, at(200)));
        assert_eq!(names.networks("files.example").unwrap().len(), 2, "an answer may hold a part of them");
        assert!(names.learn("files.example", &[ip("8.8.4.5")], ttl, at(100 + 60 + 86_400)));
        assert_eq!(names.networks("FILES.example").unwrap(), ["8.8.4.5/32".parse().unwrap()]);
        assert_eq!(names.networks("other.example"), None);
        assert!(
            names.has("Files.example.", ip("::ffff:8.8.4.5")) && !names.has("files.example", ip("8.8.4.4"))
        );
        assert!(!names.has("other.example", ip("8.8.4.5")));
    }

    #[test]
    fn survives_a_restart_and_names_a_damaged_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ResolvedNames::read(folder.path()).unwrap(), ResolvedNames::default());
        let mut names = ResolvedNames::default();
        names.learn("files.example", &[ip("8.8.4.4"), ip("2001:4860::1")], Duration::ZERO, at(0));
        names.write(folder.path()).unwrap();
        assert_eq!(ResolvedNames::read(folder.path()).unwrap(), names);
        assert!(!names.retain(&BTreeSet::from(["files.example.".to_owned()])));
        assert!(names.retain(&BTreeSet::new()));
        fs::write(folder.path().join(FILE), b"{").unwrap();
        let error = ResolvedNames::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(FILE) && error.contains("remove it"), "{error}");
    }

    #[test]
    fn bounds_the_addresses_of_a_name() {
        let mut names = ResolvedNames::default();
        for number in 0..1_100_u32 {
            let address = IpAddr::from(std::net::Ipv4Addr::from(0x0808_0000 + number));
            names.learn("files.example", &[address], Duration::ZERO, at(i64::from(number)));
        }
        let kept = names.networks("files.example").unwrap();
        assert_eq!(kept.len(), MAX_ADDRESSES);
        assert!(!kept.contains(&"8.8.0.0/32".parse().unwrap()), "the oldest go");
    }
}
