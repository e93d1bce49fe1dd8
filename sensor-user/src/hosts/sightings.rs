//! Earlier contacts of an external host, from the store: the days, and the internal hosts.

use std::{collections::BTreeSet, path::PathBuf};

use sensor_core::{enrichment::Sightings, level::EvidenceLevel, time::Timestamp};
use tracing::warn;

use crate::storage::{ContactRow, Reader, StorageError, day_of};

/// Days of one host that are looked at.
const MAX_ROWS: u64 = 50_000;

/// An incident that an external host is part of, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) external: String,
    /// `None` where they are many.
    pub(crate) internal: Option<String>,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) level: EvidenceLevel,
}

/// The store, opened when it is first asked.
pub(super) struct Store {
    state_dir: PathBuf,
    reader: Option<Reader>,
    /// It could not be read the last time.
    fails: bool,
}

impl Store {
    pub(super) const fn of(state_dir: PathBuf) -> Self {
        Self { state_dir, reader: None, fails: false }
    }

    /// What was seen of a host, this time included; `None` if the store cannot be read.
    pub(super) fn sightings(&mut self, now: &Sighting) -> Option<Sightings> {
        match self.rows(&now.external) {
            Ok(rows) => {
                self.fails = false;
                Some(sum(&rows, now))
            }
            Err(error) => {
                // One that took the place of a damaged database is another file.
                self.reader = None;
                if !std::mem::replace(&mut self.fails, true) {
                    warn!("cannot look up when hosts were seen before: {error}");
                }
                None
            }
        }
    }

    fn rows(&mut self, external: &str) -> Result<Vec<ContactRow>, StorageError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.state_dir)?,
        };
        self.reader.insert(reader).contacts(external, MAX_ROWS)
    }
}

fn sum(rows: &[ContactRow], now: &Sighting) -> Sightings {
    let days: BTreeSet<i64> = rows
        .iter()
        .map(|row| row.day)
        .chain([now.first, now.last].map(|at| day_of(at.unix_nanos())))
        .collect();
    let hosts: BTreeSet<&str> =
        rows.iter().map(|row| row.internal.as_str()).chain(now.internal.as_deref()).collect();
    Sightings {
        first: rows.iter().map(|row| Timestamp::from_unix_nanos(row.first)).fold(now.first, Timestamp::min),
        days: days.len() as u64,
        hosts: hosts.len() as u64,
        level: rows.iter().filter_map(|row| row.level).fold(now.level, EvidenceLevel::max),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sensor_core::incident::fixtures::after;

    use super::*;
    use crate::storage::{Bounds, Contact, Opened, RowBatch, Writer};

    const DAY: i64 = 86_400_000;

    fn contact(external: &str, internal: &str, millis: i64, level: EvidenceLevel) -> Contact {
        Contact {
            external: external.into(),
            internal: internal.into(),
            at: after(millis).unix_nanos(),
            level,
        }
    }

    fn sighting(internal: Option<&str>) -> Sighting {
        Sighting {
            external: "8.8.4.4".into(),
            internal: internal.map(Into::into),
            first: after(0),
            last: after(10),
            level: EvidenceLevel::Smb,
        }
    }

    #[test]
    fn sums_days_hosts_and_levels_of_the_store_and_of_this_time() {
        let folder = tempfile::tempdir().unwrap();
        let Opened { writer, handle, .. } = Writer::open(folder.path(), Bounds::default(), 0).unwrap();
        let thread = std::thread::spawn(move || writer.run().unwrap());
        let contacts = vec![
            contact("8.8.4.4", "10.0.0.2", -2 * DAY, EvidenceLevel::Connected),
            contact("8.8.4.4", "10.0.0.2", -2 * DAY + 5, EvidenceLevel::Share),
            contact("8.8.4.4", "10.0.0.3", -DAY, EvidenceLevel::Attempt),
            contact("9.9.9.9", "10.0.0.4", -9 * DAY, EvidenceLevel::Data),
        ];
        handle.submit(RowBatch { contacts, ..RowBatch::default() }).unwrap();
        assert!(handle.flush(Duration::from_secs(10)));
        let mut store = Store::of(folder.path().to_owned());
        let expected = Sightings { first: after(-2 * DAY), days: 3, hosts: 3, level: EvidenceLevel::Share };
        assert_eq!(store.sightings(&sighting(Some("10.0.0.9"))), Some(expected.clone()));
        assert_eq!(store.sightings(&sighting(None)).unwrap().hosts, 2);
        let again = sighting(Some("10.0.0.3"));
        assert_eq!(store.sightings(&again).unwrap().hosts, 2);
        let new = Sighting { external: "1.1.1.1".into(), ..again };
        let first = Sightings { first: after(0), days: 1, hosts: 1, level: EvidenceLevel::Smb };
        assert_eq!(store.sightings(&new), Some(first));
        drop(handle);
        thread.join().unwrap();
    }

    #[test]
    fn store_that_cannot_be_read_says_nothing_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::of(folder.path().to_owned());
        assert_eq!(store.sightings(&sighting(None)), None);
        let _opened = Writer::open(folder.path(), Bounds::default(), 0).unwrap();
        assert_eq!(store.sightings(&sighting(None)).unwrap().days, 1);
    }
}
