//! Files of threat lists: reads them and notices changes. [`sensor_core::threat`] looks addresses up.

mod file;
mod json;
mod watch;

use std::{ops::Deref, path::PathBuf, sync::Arc};

use sensor_core::threat;

pub use self::{
    file::{Format, read, read_with_names},
    watch::Watch,
};
pub use crate::parse::list_file::ListFileError;

/// A file of prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreatList {
    /// Its name in documents.
    pub name: String,
    /// Where it is.
    pub file: PathBuf,
    /// Its format.
    pub format: Format,
}

/// The entries of all files, with the files' metadata from before they were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreatLists {
    lists: Arc<threat::ThreatLists>,
    watch: Watch,
}

impl Deref for ThreatLists {
    type Target = threat::ThreatLists;

    fn deref(&self) -> &threat::ThreatLists {
        &self.lists
    }
}

impl ThreatLists {
    /// Reads all of them.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn read(lists: &[ThreatList]) -> Result<Self, ListFileError> {
        let (all, mut unread) = Self::read_some(lists);
        unread.drain(..).next().map_or(Ok(all), Err)
    }

    /// Reads those that can be read, and returns the errors of the others.
    #[must_use]
    pub fn read_some(lists: &[ThreatList]) -> (Self, Vec<ListFileError>) {
        let mut all = Self::default();
        let unread = lists.iter().filter_map(|list| all.add(list).err()).collect();
        (all, unread)
    }

    /// Reads one more.
    ///
    /// # Errors
    /// If its file cannot be read, or has a line without a valid prefix.
    pub fn add(&mut self, list: &ThreatList) -> Result<(), ListFileError> {
        self.watch.add(list);
        let entries = read(&list.file, &list.format)?;
        Arc::make_mut(&mut self.lists).put(list.name.clone(), entries);
        Ok(())
    }

    /// Uses the entries in `before` for those of `lists` that could not be read.
    #[must_use]
    pub fn keeping(self, lists: &[ThreatList], before: &Self) -> Self {
        let names: Vec<_> = lists.iter().map(|list| list.name.as_str()).collect();
        let kept = Arc::unwrap_or_clone(self.lists).keeping(&names, &before.lists);
        Self { lists: Arc::new(kept), watch: self.watch }
    }

    /// Whether the entries are the same, whatever the files' metadata.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.lists == other.lists
    }

    /// The files' metadata from before they were read.
    #[must_use]
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The lists themselves.
    #[must_use]
    pub fn shared(&self) -> Arc<threat::ThreatLists> {
        Arc::clone(&self.lists)
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

    fn hits(lists: &ThreatLists, address: &str) -> Vec<(String, String, u32)> {
        let found = lists.of(address.parse().unwrap());
        found.iter().map(|one| (one.list.to_owned(), one.entry.net.to_string(), one.entry.line)).collect()
    }

    #[test]
    fn each_list_gives_its_longest_prefix_longest_first() {
        let lists = lists(&[
            ("wide", "8.0.0.0/8\n8.8.0.0/16 # a network\n::/0\n"),
            ("narrow", "# hosts\n\n8.8.4.4\n2001:4860::/32\n8.8.4.4\n"),
        ]);
        assert_eq!(
            hits(&lists, "8.8.4.4"),
            [("narrow".into(), "8.8.4.4/32".into(), 3), ("wide".into(), "8.8.0.0/16".into(), 2)]
        );
        assert_eq!(hits(&lists, "8.9.0.1"), [("wide".into(), "8.0.0.0/8".into(), 1)]);
        assert_eq!(hits(&lists, "2001:4860::1").len(), 2);
        assert!(hits(&lists, "9.9.9.9").is_empty());
        assert_eq!(lists.of("8.8.0.1".parse().unwrap())[0].entry.description.as_deref(), Some("a network"));
    }

    #[test]
    fn unreadable_list_stays_and_the_others_are_new() {
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
        assert_eq!(hits(&now, "8.8.4.4"), [("a".into(), "8.8.4.4/32".into(), 1)]);
        assert!(hits(&now, "9.9.9.9").is_empty() && hits(&now, "9.9.9.8").len() == 1);
        assert_eq!(now.watch(), &Watch::of(&lists), "what could not be read is watched as well");
        assert!(!now.says_the_same_as(&before) && now.says_the_same_as(&now.clone()));
    }

    #[test]
    fn looks_up_an_ipv4_address_inside_ipv6() {
        let lists = lists(&[("hosts", "8.8.4.4\n")]);
        assert_eq!(hits(&lists, "64:ff9b::8.8.4.4").len(), 1);
        assert!(hits(&lists, "64:ff9b::8.8.4.5").is_empty());
    }

    #[test]
    fn reads_and_finds_a_hundred_thousand_lines() {
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
