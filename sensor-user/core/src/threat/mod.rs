//! Threat lists: prefixes of the Internet that somebody warns about, each with its list, line and description.
//!
//! The kernel's tries have the prefixes with a flag ([`PrefixFlags::THREAT`](sensor_common::prefix::PrefixFlags::THREAT)), and
//! a flow whose external end has it is marked. The agent looks up list, line and description here, and only for a
//! marked flow: the kernel needs no names, and flows are reported far less often than packets are classified.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;

use crate::networks::PrefixLengths;

/// A prefix of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Prefix.
    pub net: IpNet,
    /// Its line, from 1.
    pub line: u32,
    /// Its description in the list.
    pub description: Option<Box<str>>,
}

/// The entry of an address on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicator<'a> {
    /// Name of the list.
    pub list: &'a str,
    /// Its prefix that covers the address, with its line.
    pub entry: &'a Entry,
}

/// All lists, for look-ups by address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreatLists {
    names: Vec<String>,
    /// By list.
    entries: Vec<Vec<Entry>>,
    /// Indexes of the entries of a prefix: list, and entry in it.
    places: HashMap<IpNet, Vec<(usize, usize)>>,
    lengths: PrefixLengths,
}

impl ThreatLists {
    /// Adds the lists of these names that are missing here, as they were `before`.
    #[must_use]
    pub fn keeping(mut self, names: &[&str], before: &Self) -> Self {
        for name in names {
            if self.names.iter().any(|known| known == name) {
                continue;
            }
            if let Some(at) = before.names.iter().position(|known| known == name) {
                self.put((*name).to_owned(), before.entries[at].clone());
            }
        }
        self
    }

    /// Adds a list.
    pub fn put(&mut self, name: String, entries: Vec<Entry>) {
        let number = self.names.len();
        for (at, entry) in entries.iter().enumerate() {
            let places = self.places.entry(entry.net).or_default();
            // A prefix that appears twice in a list counts with its first line.
            if places.last().is_none_or(|(list, _)| *list != number) {
                places.push((number, at));
            }
            self.lengths.add(entry.net);
        }
        self.names.push(name);
        self.entries.push(entries);
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

    /// The entries of an address, or of the IPv4 address inside it: of each list the longest prefix, the longest of
    /// all first.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Vec<Indicator<'_>> {
        let mut found: Vec<(usize, &Entry)> = Vec::new();
        let covering = self.lengths.covering(address).filter_map(|net| self.places.get(&net));
        for (list, at) in covering.flatten() {
            if found.iter().all(|(known, _)| known != list) {
                found.push((*list, &self.entries[*list][*at]));
            }
        }
        found.into_iter().map(|(list, entry)| Indicator { list: &self.names[list], entry }).collect()
    }
}
