//! A store that is read and never written: what the library would write, also to put a store in order that a crash or a full
//! disk left behind, stays in memory.

use std::{
    collections::HashMap,
    fs::File,
    io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{BackendError, DatabaseError, StorageBackend, backends::FileBackend};

/// Bytes of a block that is kept in memory once it was changed.
const BLOCK: usize = 4_096;

/// A file, and what differs from it.
#[derive(Debug)]
pub(super) struct Overlay {
    file: FileBackend,
    changed: Mutex<Changed>,
}

/// What differs from the file.
#[derive(Debug)]
struct Changed {
    length: u64,
    /// Bytes from the beginning of the file that are still its own.
    of_file: u64,
    blocks: HashMap<u64, Box<[u8; BLOCK]>>,
}

/// The part of a range that lies in one block.
struct Part {
    block: u64,
    /// Where it begins in the block.
    at: usize,
    /// Where it begins in the range.
    from: usize,
    length: usize,
}

/// A range of bytes, block by block.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = Part> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let place = offset + from as u64;
        let at = (place % BLOCK as u64) as usize;
        let part = Part { block: place / BLOCK as u64, at, from, length: (length - from).min(BLOCK - at) };
        from += part.length;
        (part.length > 0).then_some(part)
    })
}

impl Overlay {
    /// Over a file that may be open to read alone.
    pub(super) fn over(file: File) -> Result<Self, DatabaseError> {
        let length = file.metadata()?.len();
        let changed = Changed { length, of_file: length, blocks: HashMap::new() };
        Ok(Self { file: FileBackend::new(file)?, changed: Mutex::new(changed) })
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        // Whoever panicked while reading changed nothing, and the library gives up after a write that failed.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills `out` with what is in the file there, and with zeros where it ends.
    fn read_file(&self, of_file: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(of_file.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (head, tail) = out.split_at_mut(there);
        tail.fill(0);
        if head.is_empty() { Ok(()) } else { self.file.read(offset, head) }
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.lock();
        if offset.saturating_add(out.len() as u64) > changed.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_file(changed.of_file, offset, out)?;
        for part in parts(offset, out.len()) {
            if let Some(block) = changed.blocks.get(&part.block) {
                out[part.from..part.from + part.length]
                    .copy_from_slice(&block[part.at..part.at + part.length]);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changed = self.lock();
        if length < changed.length {
            // What grows again is zero.
            changed.blocks.retain(|block, _| block * (BLOCK as u64) < length);
            let at = (length % BLOCK as u64) as usize;
            if let Some(last) = changed.blocks.get_mut(&(length / BLOCK as u64)) {
                last[at..].fill(0);
            }
        }
        changed.length = length;
        changed.of_file = changed.of_file.min(length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changed = self.lock();
        let of_file = changed.of_file;
        for part in parts(offset, data.len()) {
            let block = match changed.blocks.entry(part.block) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    let mut block = Box::new([0; BLOCK]);
                    self.read_file(of_file, part.block * BLOCK as u64, &mut block[..])?;
                    new.insert(block)
                }
            };
            block[part.at..part.at + part.length].copy_from_slice(&data[part.from..part.from + part.length]);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    // Whoever reads shuts out whoever writes, and no other reader.
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_the_file_stays_as_it_was() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        file.write_all(&bytes).unwrap();
        let overlay = Overlay::over(File::open(file.path()).unwrap()).unwrap();
        let mut expected = bytes.clone();
        let read = |offset: u64, length: usize| {
            let mut out = vec![7; length];
            overlay.read(offset, &mut out).map(|()| out)
        };
        overlay.write(4_000, &[1; 200]).unwrap();
        expected[4_000..4_200].fill(1);
        assert_eq!(read(0, 10_000).unwrap(), expected);
        assert!(read(9_999, 2).is_err());
        overlay.set_len(4_100).unwrap();
        overlay.set_len(12_000).unwrap();
        expected.truncate(4_100);
        expected.resize(12_000, 0);
        assert_eq!(read(0, 12_000).unwrap(), expected, "what was cut off is zero");
        overlay.write(11_990, &[2; 10]).unwrap();
        expected[11_990..].fill(2);
        assert_eq!(read(4_050, 7_950).unwrap(), expected[4_050..]);
        assert_eq!(std::fs::read(file.path()).unwrap(), bytes);
    }
}
