//! Threat lists: prefixes of the Internet that somebody warns of, each with its list, line and description.
//!
//! The kernel's tries hold the prefixes with a flag ([`PrefixFlags::THREAT`](sensor_common::prefix::PrefixFlags::THREAT)) and
//! a flow whose external end has it is marked. Which list, line and words that are the agent looks up here, and only for a
//! marked flow: the kernel has no use for names, and a flow is told far less often than it is classified.

mod file;
mod watch;

use std::{collections::HashMap, net::IpAddr, path::PathBuf};

use ipnet::IpNet;

pub use self::{
    file::{Entry, Format, ThreatFileError, read},
    watch::Watch,
};
use crate::networks::inner;

/// A file of prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreatList {
    /// What alerts call it.
    pub name: String,
    /// Where it is.
    pub file: PathBuf,
    /// How it is laid out.
    pub format: Format,
}

/// What is known of an address on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicator<'a> {
    /// Name of the list.
    pub list: &'a str,
    /// Its prefix that covers the address, and where it stands.
    pub entry: &'a Entry,
}

/// All lists, for look-ups by address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreatLists {
    names: Vec<String>,
    /// By list.
    entries: Vec<Vec<Entry>>,
    /// Where the entries of a prefix are: list and place in it.
    places: HashMap<IpNet, Vec<(usize, usize)>>,
    /// Prefix lengths that occur, one bit each.
    lengths_v4: u64,
    lengths_v6: [u128; 2],
    /// What the files looked like before they were read.
    watch: Watch,
}

impl ThreatLists {
    /// Reads all of them.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn read(lists: &[ThreatList]) -> Result<Self, ThreatFileError> {
        let (all, mut unread) = Self::read_some(lists);
        unread.drain(..).next().map_or(Ok(all), Err)
    }

    /// Reads those that can be read, and says what is wrong with the others.
    #[must_use]
    pub fn read_some(lists: &[ThreatList]) -> (Self, Vec<ThreatFileError>) {
        let mut all = Self::default();
        let unread = lists.iter().filter_map(|list| all.add(list).err()).collect();
        (all, unread)
    }

    /// With those of `lists` that could not be read as they were `before`.
    #[must_use]
    pub fn keeping(mut self, lists: &[ThreatList], before: &Self) -> Self {
        for ThreatList { name, .. } in lists {
            if self.names.contains(name) {
                continue;
            }
            if let Some(at) = before.names.iter().position(|known| known == name) {
                self.put(name.clone(), before.entries[at].clone());
            }
        }
        self
    }

    /// Whether they say the same, whatever their files look like.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.names == other.names && self.entries == other.entries
    }

    /// Reads one more.
    ///
    /// # Errors
    /// When its file cannot be read, or has a line that is no prefix.
    pub fn add(&mut self, list: &ThreatList) -> Result<(), ThreatFileError> {
        self.watch.add(list);
        self.put(list.name.clone(), read(&list.file, &list.format)?);
        Ok(())
    }

    fn put(&mut self, name: String, entries: Vec<Entry>) {
        let number = self.names.len();
        for (at, entry) in entries.iter().enumerate() {
            let places = self.places.entry(entry.net).or_default();
            // A prefix that stands in a list twice is told by its first line.
            if places.last().is_none_or(|(list, _)| *list != number) {
                places.push((number, at));
            }
            let length = usize::from(entry.net.prefix_len());
            match entry.net {
                IpNet::V4(_) => self.lengths_v4 |= 1 << length,
                IpNet::V6(_) => self.lengths_v6[length / 128] |= 1 << (length % 128),
            }
        }
        self.names.push(name);
        self.entries.push(entries);
    }

    /// What the files looked like before they were read.
    #[must_use]
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Prefixes on all lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The prefixes.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.places.keys().copied()
    }

    /// What the lists say of an address, or of the IPv4 address inside it: of each list the longest prefix, the longest of
    /// all first.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Vec<Indicator<'_>> {
        let mut found: Vec<(usize, &Entry)> = Vec::new();
        for address in [Some(address), inner(address)].into_iter().flatten() {
            let longest = IpNet::from(address).prefix_len();
            let covering = (0..=longest)
                .rev()
                .filter(|length| self.occurs(address, *length))
                .filter_map(|length| IpNet::new(address, length).ok())
                .filter_map(|net| self.places.get(&net.trunc()));
            for (list, at) in covering.flatten() {
                if found.iter().all(|(known, _)| known != list) {
                    found.push((*list, &self.entries[*list][*at]));
                }
            }
        }
        found.into_iter().map(|(list, entry)| Indicator { list: &self.names[list], entry }).collect()
    }

    fn occurs(&self, address: IpAddr, length: u8) -> bool {
        let length = usize::from(length);
        match address {
            IpAddr::V4(_) => self.lengths_v4 >> length & 1 != 0,
            IpAddr::V6(_) => self.lengths_v6[length / 128] >> (length % 128) & 1 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn lists(files: &[(&str, &str)]) -> ThreatLists {
        let folder = tempfile::tempdir().unwrap();
        let lists: Vec<_> = files
            .iter()
            .map(|(name, text)| {
                let file = folder.path().join(name);
                std::fs::write(&file, text).unwrap();
                ThreatList { name: (*name).to_owned(), file, format: Format::Detect }
            })
            .collect();
        ThreatLists::read(&lists).unwrap()
    }

    fn told(lists: &ThreatLists, address: &str) -> Vec<(String, String, u32)> {
        let found = lists.of(address.parse().unwrap());
        found.iter().map(|one| (one.list.to_owned(), one.entry.net.to_string(), one.entry.line)).collect()
    }

    #[test]
    fn each_list_tells_its_longest_prefix_and_the_longest_of_all_comes_first() {
        let lists = lists(&[
            ("wide", "8.0.0.0/8\n8.8.0.0/16 # a network\n::/0\n"),
            ("narrow", "# hosts\n\n8.8.4.4\n2001:4860::/32\n8.8.4.4\n"),
        ]);
        assert_eq!(
            told(&lists, "8.8.4.4"),
            [("narrow".into(), "8.8.4.4/32".into(), 3), ("wide".into(), "8.8.0.0/16".into(), 2)]
        );
        assert_eq!(told(&lists, "8.9.0.1"), [("wide".into(), "8.0.0.0/8".into(), 1)]);
        assert_eq!(told(&lists, "2001:4860::1").len(), 2);
        assert!(told(&lists, "9.9.9.9").is_empty());
        assert_eq!(lists.of("8.8.0.1".parse().unwrap())[0].entry.description.as_deref(), Some("a network"));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_kept_as_it_was_and_the_others_are_new() {
        let folder = tempfile::tempdir().unwrap();
        let list = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            ThreatList { name: name.to_owned(), file, format: Format::Plain }
        };
        let before = ThreatLists::read(&[list("a", "8.8.4.4\n"), list("b", "9.9.9.9\n")]).unwrap();
        let lists = [list("a", "8.8.4.4\nnonsense\n"), list("b", "9.9.9.8\n"), list("new", "x\n")];
        let (read, unread) = ThreatLists::read_some(&lists);
        assert_eq!(unread.len(), 2);
        assert!(unread[0].to_string().contains("a, line 2: \"nonsense\""), "{}", unread[0]);
        let now = read.keeping(&lists, &before);
        assert_eq!(told(&now, "8.8.4.4"), [("a".into(), "8.8.4.4/32".into(), 1)]);
        assert!(told(&now, "9.9.9.9").is_empty() && told(&now, "9.9.9.8").len() == 1);
        assert_eq!(now.watch(), &Watch::of(&lists), "what could not be read is watched as well");
        assert!(!now.says_the_same_as(&before) && now.says_the_same_as(&now.clone()));
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_looked_up_too() {
        let lists = lists(&[("hosts", "8.8.4.4\n")]);
        assert_eq!(told(&lists, "64:ff9b::8.8.4.4").len(), 1);
        assert!(told(&lists, "64:ff9b::8.8.4.5").is_empty());
    }

    #[test]
    fn a_hundred_thousand_lines_are_read_and_found() {
        let mut text = String::new();
        for number in 0..100_000u32 {
            let _ = writeln!(text, "{},scanner {number}", std::net::Ipv4Addr::from(0x1400_0000 + number * 7));
        }
        let lists = lists(&[("large", &text)]);
        assert_eq!(lists.len(), 100_000);
        let found = lists.of(std::net::Ipv4Addr::from(0x1400_0000 + 99_999 * 7).into());
        assert_eq!(
            (found[0].entry.line, found[0].entry.description.as_deref()),
            (100_000, Some("scanner 99999"))
        );
        assert!(lists.of("20.0.0.1".parse().unwrap()).is_empty());
    }
}
