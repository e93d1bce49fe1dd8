//! Lease files of DHCP servers: the client of each address, and its name.
//!
//! A file is read again when it changed. While it is being written or has a damaged line, the earlier leases stay in use. They
//! also stay while the file is empty for a moment: dnsmasq truncates its file before it writes it again.

mod dnsmasq;
mod isc;
mod kea;

use std::{
    collections::HashMap,
    net::IpAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use sensor_core::time::Timestamp;
use sensor_dissect::escape::shown;
use tracing::{info, warn};

use super::{mac::Mac, stamp::Stamp};
use crate::parse::{ListFileError, Mistakes, read_lines};

/// Most leases of a file: each is kept in memory.
const MAX_LEASES: usize = 250_000;

/// Most characters of a name (RFC 1035 2.3.4).
const MAX_NAME: usize = 255;

/// Time after which a file that lost all its leases is one without leases, and not one that is being written.
const EMPTY_FOR: Duration = Duration::from_secs(1);

/// The server that writes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseFormat {
    /// dnsmasq.
    Dnsmasq,
    /// The dhcpd of ISC.
    Isc,
    /// The memfile of Kea, for IPv4 or IPv6.
    Kea,
}

/// A lease file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseFile {
    /// Where it is.
    pub file: PathBuf,
    /// Who writes it.
    pub format: LeaseFormat,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) mac: Option<Mac>,
    pub(super) name: Option<String>,
    /// When it ends; `None` is never.
    pub(super) ends: Option<Timestamp>,
}

/// The leases of a file, by address.
type LeaseSet = HashMap<IpAddr, Lease>;

/// The leases of all files.
pub(super) struct Leases(Vec<Known>);

struct Known {
    from: LeaseFile,
    leases: LeaseSet,
    /// Metadata of the file when it was last read.
    read: Option<Stamp>,
    /// When it was first seen to have lost all its leases.
    emptied: Option<Instant>,
    /// Why it could not be read the last time, as it was logged.
    wrong: Option<String>,
}

impl Leases {
    pub(super) fn of(files: &[LeaseFile]) -> Self {
        let known = |from: &LeaseFile| Known {
            from: from.clone(),
            leases: LeaseSet::new(),
            read: None,
            emptied: None,
            wrong: None,
        };
        Self(files.iter().map(known).collect())
    }

    /// Reads the files that changed; returns whether there was one.
    pub(super) fn refresh(&mut self) -> bool {
        self.0.iter_mut().fold(false, |changed, known| known.refresh() | changed)
    }

    /// The lease of an address that is in force.
    pub(super) fn of_address(&self, address: IpAddr, now: Timestamp) -> Option<&Lease> {
        let in_force = |lease: &&Lease| lease.ends.is_none_or(|ends| ends > now);
        self.0.iter().filter_map(|known| known.leases.get(&address)).find(in_force)
    }
}

impl Known {
    fn refresh(&mut self) -> bool {
        let path = self.from.file.clone();
        let before = Stamp::of(&path);
        if before.is_some() && before == self.read {
            return false;
        }
        let read = read(&self.from);
        if Stamp::of(&path) != before {
            // Somebody writes it: it is read when that is done.
            self.emptied = None;
            return false;
        }
        if !self.leases.is_empty()
            && read.as_ref().is_ok_and(HashMap::is_empty)
            && self.emptied.get_or_insert_with(Instant::now).elapsed() < EMPTY_FOR
        {
            return false;
        }
        self.emptied = None;
        self.read = before;
        match read {
            Ok(leases) => {
                self.leases = leases;
                if self.wrong.take().is_some() {
                    info!("the lease file {} can be read again", path.display());
                }
                true
            }
            Err(error) => {
                let wrong = error.to_string();
                if self.wrong.as_ref() != Some(&wrong) {
                    warn!("leases stay as they were, and are read again when the file changes: {wrong}");
                    self.wrong = Some(wrong);
                }
                false
            }
        }
    }
}

fn read(from: &LeaseFile) -> Result<LeaseSet, ListFileError> {
    read_lines(&from.file, |text| match from.format {
        LeaseFormat::Dnsmasq => dnsmasq::parse(text),
        LeaseFormat::Isc => isc::parse(text),
        LeaseFormat::Kea => kea::parse(text),
    })
}

/// Adds a lease; a later one of an address replaces an earlier one.
fn put(leases: &mut LeaseSet, address: IpAddr, lease: Lease, line: u32) -> Result<(), Mistakes> {
    if leases.len() == MAX_LEASES && !leases.contains_key(&address) {
        return Err(vec![(line, format!("more than {MAX_LEASES} leases: name fewer files"))]);
    }
    leases.insert(address, lease);
    Ok(())
}

/// A name that a client chose, fit to be shown.
fn client_name(text: &str) -> Option<String> {
    let text: String = text.trim_end_matches('.').chars().take(MAX_NAME).collect();
    (!text.is_empty() && text != "*").then(|| shown(text.as_bytes()))
}

/// An end of a lease in seconds since the Unix epoch; 0 is never.
fn ends(seconds: i64) -> Option<Timestamp> {
    (seconds != 0).then(|| Timestamp::from_unix_seconds(seconds))
}

#[cfg(test)]
mod tests;
