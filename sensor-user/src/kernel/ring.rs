//! Reads the ring of records.
//!
//! Takes the ring's map, gives its records in order, in place. It publishes the consumer position once for many records: every
//! producer reads that word, and must fetch it again after each write.
//!
//! The page of the consumer position also says which record is being handled. The kernel leaves the rest of that page alone, and it
//! stays with the ring, so the next agent finds it if the last one ended in handling a record. A record at which several agents
//! ended one after another is left out.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, BorrowedFd},
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use aya::maps::{Map, MapData};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::{SysconfVar, sysconf};

use super::object::LoadError;

/// A record that is still being written (BPF_RINGBUF_BUSY_BIT).
const BUSY: u32 = 1 << 31;
/// A discarded record (BPF_RINGBUF_DISCARD_BIT).
const DISCARDED: u32 = 1 << 30;
/// Bytes of a record's header (BPF_RINGBUF_HDR_SZ).
const HEADER: usize = 8;
/// Most bytes that are read before the position is published.
const MAX_UNACKNOWLEDGED: usize = 64 * 1024;

/// Agents that may end in handling the same record, one after another, before it is left out.
pub const MAX_ENDS: u64 = 3;

/// Words in the page of the consumer position, by their number. They are in lines of their own: producers read that of the position.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Word {
    /// The record that is being handled: its position and 1, or 0 if there is none.
    Handled = 32,
    /// The record at which the last agent ended, likewise.
    EndedAt,
    /// Agents that ended there.
    Ends,
    /// Records that were left out.
    LeftOut,
}

/// A record that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it was in the stream of records, in bytes.
    pub position: u64,
    /// Bytes of it.
    pub length: usize,
}

/// The reading end of the ring.
pub struct RecordRing {
    /// The page with the consumer position.
    consumer: NonNull<u8>,
    /// The page with the producer position, followed by the records, mapped twice in a row.
    producer: NonNull<u8>,
    page: usize,
    /// Bytes of records; a power of two.
    size: usize,
    /// Bytes read, and bytes of those that were published.
    read: u64,
    acknowledged: u64,
    /// Where what must stay in the ring begins, if anything must.
    kept_from: Option<u64>,
    /// Producer position at the last read.
    written: u64,
    /// Most bytes that waited at a time.
    peak: u64,
    /// Where the record is that is to be left out, if there is one.
    avoided: Option<u64>,
    /// One that was left out and is not reported yet.
    left_out: Option<LeftOut>,
    map: MapData,
}

// SAFETY: the memory is shared with the kernel anyway; its words are read and written atomically, and there is one reader.
unsafe impl Send for RecordRing {}

impl RecordRing {
    /// Opens the ring; there must be no other reader.
    ///
    /// # Errors
    /// If the map is no ring, or cannot be mapped into memory.
    pub fn open(map: Map) -> Result<Self, LoadError> {
        let Map::RingBuf(map) = map else {
            return Err(LoadError::Missing("record ring"));
        };
        let size =
            map.info().map_err(|error| LoadError::Ring(io::Error::other(error)))?.max_entries() as usize;
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096, |bytes| bytes as usize);
        let consumer = shared(&map, page, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, 0)?;
        let producer = match shared(&map, page + 2 * size, ProtFlags::PROT_READ, page) {
            Ok(producer) => producer,
            Err(error) => {
                unmap(consumer, page);
                return Err(error);
            }
        };
        let mut ring = Self {
            consumer,
            producer,
            page,
            size,
            read: 0,
            acknowledged: 0,
            kept_from: None,
            written: 0,
            peak: 0,
            avoided: None,
            left_out: None,
            map,
        };
        ring.read = ring.consumed().load(Ordering::Acquire);
        (ring.acknowledged, ring.written) = (ring.read, ring.read);
        ring.avoided = ring.record_to_avoid();
        Ok(ring)
    }

    /// The record at which as many agents ended as may. To be asked once: it counts the end of the last one.
    fn record_to_avoid(&self) -> Option<u64> {
        let handled = self.word(Word::Handled).swap(0, Ordering::Relaxed);
        if handled == 0 {
            return None;
        }
        let again = self.word(Word::EndedAt).swap(handled, Ordering::Relaxed) == handled;
        let ends = if again { self.word(Word::Ends).load(Ordering::Relaxed) + 1 } else { 1 };
        self.word(Word::Ends).store(ends, Ordering::Relaxed);
        (ends >= MAX_ENDS).then_some(handled - 1)
    }

    /// What was taken is handled. To be said when no record follows soon.
    pub fn handled(&self) {
        self.word(Word::Handled).store(0, Ordering::Relaxed);
    }

    /// Records that were left out, by earlier agents too.
    #[must_use]
    pub fn records_left_out(&self) -> u64 {
        self.word(Word::LeftOut).load(Ordering::Relaxed)
    }

    /// The record that was left out since this was last asked.
    pub const fn take_left_out(&mut self) -> Option<LeftOut> {
        self.left_out.take()
    }

    /// Skips the records before `position`, as far as they are in the ring.
    pub fn skip_to(&mut self, position: u64) {
        if position > self.read && position <= self.produced().load(Ordering::Acquire) {
            (self.read, self.written) = (position, position);
        }
    }

    /// The position behind the last record that was taken.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.read
    }

    /// Bytes that wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.produced().load(Ordering::Acquire).saturating_sub(self.read)
    }

    /// Keeps records from this position on in the ring after they were taken, unless that would fill half of it.
    pub const fn keep_from(&mut self, position: Option<u64>) {
        self.kept_from = position;
    }

    /// The next record, or `None` if there is none yet. The one before it counts as handled.
    pub fn take(&mut self) -> Option<&[u8]> {
        loop {
            if self.read == self.written {
                self.written = self.produced().load(Ordering::Acquire);
                self.peak = self.peak.max(self.written.saturating_sub(self.acknowledged));
                if self.read == self.written {
                    self.handled();
                    self.acknowledge();
                    return None;
                }
            }
            let at = self.page + (self.read as usize & (self.size - 1));
            // SAFETY: the header is inside the mapping, aligned to eight, and the kernel writes it atomically.
            let header =
                unsafe { self.producer.add(at).cast::<AtomicU32>().as_ref() }.load(Ordering::Acquire);
            if header & BUSY != 0 {
                self.handled();
                self.acknowledge();
                return None;
            }
            let length = (header & !(BUSY | DISCARDED)) as usize;
            // Earlier records are released before this one is returned, so that it stays unchanged until the next call.
            if (self.read - self.acknowledged) as usize >= MAX_UNACKNOWLEDGED.min(self.size / 8) {
                self.acknowledge();
            }
            let position = self.read;
            self.read += (length + HEADER).next_multiple_of(8) as u64;
            if self.avoided == Some(position) {
                self.avoided = None;
                self.left_out = Some(LeftOut { position, length });
                self.word(Word::LeftOut).fetch_add(1, Ordering::Relaxed);
                continue;
            }
            if header & DISCARDED == 0 && length <= self.size {
                self.word(Word::Handled).store(position + 1, Ordering::Relaxed);
                // SAFETY: the record lies inside the two copies behind each other, and the kernel leaves it alone until it is
                // released, which the next call does at the earliest.
                return Some(unsafe {
                    slice::from_raw_parts(self.producer.add(at + HEADER).as_ptr(), length)
                });
            }
        }
    }

    /// Bytes that it has room for.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Most bytes that were found waiting at a time, since it was opened.
    #[must_use]
    pub const fn peak(&self) -> u64 {
        self.peak
    }

    /// Publishes the position to the kernel.
    fn acknowledge(&mut self) {
        let free = match self.kept_from {
            Some(kept) if self.read.saturating_sub(kept) <= self.size as u64 / 2 => {
                kept.clamp(self.acknowledged, self.read)
            }
            _ => self.read,
        };
        if self.acknowledged != free {
            self.consumed().store(free, Ordering::Release);
            self.acknowledged = free;
        }
    }

    fn consumed(&self) -> &AtomicU64 {
        // SAFETY: the page begins with this word and is mapped for reading and writing.
        unsafe { self.consumer.cast::<AtomicU64>().as_ref() }
    }

    fn word(&self, word: Word) -> &AtomicU64 {
        // SAFETY: the page is mapped for reading and writing, longer than these words, and zero at first.
        unsafe { self.consumer.cast::<AtomicU64>().add(word as usize).as_ref() }
    }

    fn produced(&self) -> &AtomicU64 {
        // SAFETY: the page begins with this word, and it is only read.
        unsafe { self.producer.cast::<AtomicU64>().as_ref() }
    }
}

impl AsFd for RecordRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }
}

impl Drop for RecordRing {
    fn drop(&mut self) {
        unmap(self.consumer, self.page);
        unmap(self.producer, self.page + 2 * self.size);
    }
}

/// Maps `bytes` of the ring, beginning at `offset`.
fn shared(map: &MapData, bytes: usize, access: ProtFlags, offset: usize) -> Result<NonNull<u8>, LoadError> {
    let bytes = NonZeroUsize::new(bytes).ok_or(LoadError::Missing("record ring's size"))?;
    // SAFETY: a new mapping of pages that a ring of this size has.
    unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, map.fd(), offset as libc::off_t) }
        .map(NonNull::cast)
        .map_err(|errno| LoadError::Ring(io::Error::from(errno)))
}

fn unmap(memory: NonNull<u8>, bytes: usize) {
    // SAFETY: a mapping that `shared` made, unmapped once.
    let _ = unsafe { munmap(memory.cast(), bytes) };
}
