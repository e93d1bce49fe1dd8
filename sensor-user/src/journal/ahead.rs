//! The log that is written ahead of the store: what is in it outlives a killed process.
//!
//! Two files take turns: while the documents of one are committed to the store, new ones go into the other. What was written is
//! in the kernel's hands at once, and nobody waits for the disk; a power failure may take what the store has not committed yet.
//! A record that a crash tore is known by its checksum.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use log::warn;

use super::{Entry, JournalError, Kind};
use crate::store::private_file;

/// Layout of a record, its first byte.
const LAYOUT: u8 = 1;

/// Layout, kind, length of the text, sequence, time and checksum.
const HEADER: usize = 1 + 1 + 4 + 8 + 8 + 8;

/// Names of the files in the state directory.
const NAMES: [&str; 2] = ["journal.ahead.0", "journal.ahead.1"];

/// The two files.
pub(super) struct Ahead {
    files: [(File, u64); 2],
    current: usize,
}

impl Ahead {
    /// Opens the log of a state directory and reads what a process that was killed left in it, in order.
    pub(super) fn open(directory: &Path) -> Result<(Self, Vec<Entry>), JournalError> {
        let mut left = Vec::new();
        let mut open = |name: &str| {
            let path = directory.join(name);
            let opened = private_file(&path).and_then(|file| {
                let length = read(name, &file, &mut left)?;
                Ok((file, length))
            });
            opened.map_err(|source| JournalError::refused(path, source))
        };
        let files = [open(NAMES[0])?, open(NAMES[1])?];
        Ok((Self { files, current: 0 }, in_order(left)))
    }

    /// Reads what a process left in the log of a state directory, in order, and writes nothing.
    pub(super) fn left(directory: &Path) -> Result<Vec<Entry>, JournalError> {
        let mut left = Vec::new();
        for name in NAMES {
            let path = directory.join(name);
            match File::open(&path).and_then(|file| read(name, &file, &mut left)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(JournalError::refused(path, source)),
            }
        }
        Ok(in_order(left))
    }

    /// Writes entries, all or none.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for entry in entries {
            encode(entry, &mut bytes);
        }
        let (file, length) = &mut self.files[self.current];
        if let Err(error) = file.write_all_at(&bytes, *length) {
            // A shorter record over what is left of this one would make it look torn in the middle.
            file.set_len(*length)?;
            return Err(error);
        }
        *length += bytes.len() as u64;
        Ok(())
    }

    /// Has further entries go into the other file, if that is empty: then what was written so far is all in one that is
    /// [cleared](Self::clear) when it is committed.
    pub(super) const fn switch(&mut self) {
        let other = 1 - self.current;
        if self.files[other].1 == 0 {
            self.current = other;
        }
    }

    /// Empties the file that is not written to.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let (file, length) = &mut self.files[1 - self.current];
        if *length > 0 {
            file.set_len(0)?;
            *length = 0;
        }
        Ok(())
    }

    /// Empties both.
    pub(super) fn clear_all(&mut self) -> io::Result<()> {
        for (file, length) in &mut self.files {
            file.set_len(0)?;
            *length = 0;
        }
        Ok(())
    }
}

/// Adds what a file of the log holds to `left`; gives its length.
fn read(name: &str, file: &File, left: &mut Vec<Entry>) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    let (whole, torn) = entries(&bytes);
    left.extend(whole);
    match torn.first() {
        // A crash leaves the beginning of a record, or nothing that was ever written.
        None | Some(&LAYOUT | &0) => {}
        Some(other) => {
            let reason =
                format!("{name} has records of layout {other}; this program reads {LAYOUT}; move it aside");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
    }
    if !torn.is_empty() {
        warn!("the last {} bytes of {name} were torn by a crash and are left out", torn.len());
    }
    Ok(length)
}

fn in_order(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.sequence);
    entries
}

fn encode(entry: &Entry, into: &mut Vec<u8>) {
    let at = into.len();
    into.extend([LAYOUT, entry.kind.to_wire()]);
    // A document has some kilobytes, and those of a flood are refused long before.
    into.extend(u32::try_from(entry.text.len()).unwrap_or(u32::MAX).to_le_bytes());
    into.extend(entry.sequence.to_le_bytes());
    into.extend(entry.time.to_le_bytes());
    let checksum = checksum(&into[at..], entry.text.as_bytes());
    into.extend(checksum);
    into.extend(entry.text.as_bytes());
}

fn checksum(header: &[u8], text: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header).update(text);
    let mut checksum = [0; 8];
    hasher.finalize_xof().fill(&mut checksum);
    checksum
}

/// The entries up to the end, or to the first that is torn; and that.
fn entries(mut bytes: &[u8]) -> (Vec<Entry>, &[u8]) {
    let mut entries = Vec::new();
    while let Some((entry, rest)) = decode(bytes) {
        entries.push(entry);
        bytes = rest;
    }
    (entries, bytes)
}

fn decode(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let (told, sum) = header.split_at_checked(HEADER - 8)?;
    let length = u32::from_le_bytes(told.get(2..6)?.try_into().ok()?);
    let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    if told[0] != LAYOUT || checksum(told, text) != sum {
        return None;
    }
    let entry = Entry {
        sequence: u64::from_le_bytes(told.get(6..14)?.try_into().ok()?),
        kind: Kind::from_wire(told[1])?,
        time: i64::from_le_bytes(told.get(14..22)?.try_into().ok()?),
        text: str::from_utf8(text).ok()?.to_owned(),
    };
    Some((entry, rest))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn entry(sequence: u64) -> Entry {
        Entry { sequence, kind: Kind::Flow, time: -7, text: format!("{{\"n\":{sequence}}}") }
    }

    #[test]
    fn what_was_written_is_read_in_order_from_both_files() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ahead, left) = Ahead::open(directory.path()).unwrap();
        assert!(left.is_empty());
        ahead.append(&[entry(1), entry(2)]).unwrap();
        ahead.switch();
        ahead.append(&[entry(3)]).unwrap();
        ahead.switch();
        ahead.append(&[entry(4)]).unwrap();
        let (_, left) = Ahead::open(directory.path()).unwrap();
        assert_eq!(left, [entry(1), entry(2), entry(3), entry(4)]);
        ahead.clear().unwrap();
        let (_, left) = Ahead::open(directory.path()).unwrap();
        assert_eq!(left, [entry(3), entry(4)], "what was committed is gone, what came meanwhile is not");
    }

    #[test]
    fn records_of_another_layout_are_refused_not_thrown_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAMES[1]);
        fs::write(&path, [7; 40]).unwrap();
        let error = Ahead::open(directory.path()).err().unwrap().to_string();
        assert!(error.contains(NAMES[1]) && error.contains("layout 7"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), [7; 40]);
    }

    #[test]
    fn a_record_cut_or_changed_anywhere_ends_the_log_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ahead, _) = Ahead::open(directory.path()).unwrap();
        ahead.append(&[entry(1), entry(2)]).unwrap();
        let whole = fs::read(directory.path().join(NAMES[0])).unwrap();
        let one = whole.len() / 2;
        for cut in one..whole.len() {
            assert_eq!(entries(&whole[..cut]).0, [entry(1)]);
        }
        for at in one..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(entries(&changed).0, [entry(1)], "byte {at}");
        }
    }
}
