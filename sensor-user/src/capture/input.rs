//! The source of a capture: a file or standard input, plain or compressed with gzip or zstd.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;
use nix::sched::CpuSet;

use super::{read_ahead::ReadAhead, zstd::ZstdFrames};

/// Bytes by which a capture and the length of its header are known.
const MAGIC: usize = 12;

/// Length of the file header of pcap.
const PCAP_HEADER: usize = 24;

/// Bytes for which the first read waits where they are no header of a capture.
const HEAD: usize = 4_096;

/// Packed bytes read from the system at a time.
const CHUNK: usize = 256 << 10;

/// The unpacked bytes of a capture.
pub struct Input {
    bytes: Box<dyn Read + Send>,
    /// Its compression.
    packing: Option<&'static str>,
    shared: Arc<Shared>,
    size: Option<u64>,
    started: bool,
    /// A failure that is reported after the bytes before it; the unpacker may not report it twice.
    pending: Option<io::Error>,
    failed: bool,
}

/// Progress of an input that somebody else reads.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Packed bytes taken.
    taken: AtomicU64,
    failure: Mutex<Option<io::Error>>,
}

impl Watch {
    /// Packed bytes taken so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Why there are no more bytes, if that is a failure.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counts bytes.
struct Counted<R>(R, Arc<Shared>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Input {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::of(io::stdin(), None);
        }
        let file = File::open(path)?;
        let about = file.metadata()?;
        let size = about.is_file().then_some(about.len());
        Self::of(file, size)
    }

    /// Reads from `source`, which is `size` bytes long if that is known.
    ///
    /// # Errors
    /// Those of the source.
    pub fn of(source: impl Read + Send + 'static, size: Option<u64>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        // Longer reads pass by the buffer of this one, and begin at a page of a file.
        let mut source = BufReader::with_capacity(HEAD, Counted(source, Arc::clone(&shared)));
        let mut head = Vec::new();
        Read::by_ref(&mut source).take(4).read_to_end(&mut head)?;
        let magic: [u8; 4] = head.as_slice().try_into().unwrap_or_default();
        let whole = Cursor::new(head).chain(source);
        let (bytes, packing): (Box<dyn Read + Send>, _) = match magic {
            // RFC 1952 2.3.1
            [0x1F, 0x8B, ..] => {
                (Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, whole))), Some("gzip"))
            }
            // RFC 8878 3.1.1 and 3.1.2
            [0x28, 0xB5, 0x2F, 0xFD] | [0x50..=0x5F, 0x2A, 0x4D, 0x18] => {
                (Box::new(ZstdFrames::new(BufReader::with_capacity(CHUNK, whole))), Some("zstd"))
            }
            _ => (Box::new(whole), None),
        };
        Ok(Self { bytes, packing, shared, size, started: false, pending: None, failed: false })
    }

    /// Has a thread of its own read and unpack this input, on any of these CPUs or, without them, on those of the calling thread. A
    /// source that gives no bytes is waited for as long as more are wanted; then it ends with an error.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn read_ahead(
        self,
        cpus: Option<CpuSet>,
        is_wanted: impl Fn() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        Ok(Self { bytes: Box::new(ReadAhead::of(self.bytes, cpus, is_wanted)?), ..self })
    }

    /// Its packed length in bytes; `None` if unknown.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// A handle to watch its progress.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.shared))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.pending.take() {
            return Err(error);
        }
        let is_first = !std::mem::replace(&mut self.started, true);
        // The header comes alone: the library reads twice before it parses anything, and the second time would wait for bytes behind
        // all that a pipe holds now.
        let (mut least, mut most) = if is_first { (MAGIC, MAGIC) } else { (1, buffer.len()) };
        most = most.min(buffer.len());
        let mut count = 0;
        while count < least.min(most) {
            match self.bytes.read(&mut buffer[count..most]) {
                Ok(0) => break,
                Ok(more) => {
                    count += more;
                    if is_first && count == MAGIC {
                        least = header_len(&buffer[..MAGIC]).min(buffer.len());
                        most = least;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if count > 0 => {
                    self.pending = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

/// A failure reads as the end, so that the bytes before it are not lost; [`Watch`] has the reason.
impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(0);
        }
        Ok(self.fill(buffer).unwrap_or_else(|error| {
            self.failed = true;
            let error = match self.packing {
                Some(packing) => in_words(packing, error),
                None => error,
            };
            *self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            0
        }))
    }
}

/// Length of the header of a capture that begins with these bytes; [`HEAD`] for one that is not recognised.
fn header_len(magic: &[u8]) -> usize {
    match magic {
        // The file header of pcap, in both byte orders, with microseconds, nanoseconds, and in Kuznetzov's form.
        [0xA1, 0xB2, 0xC3, 0xD4, ..] | [0xD4, 0xC3, 0xB2, 0xA1, ..] => PCAP_HEADER,
        [0xA1, 0xB2, 0x3C, 0x4D, ..] | [0x4D, 0x3C, 0xB2, 0xA1, ..] => PCAP_HEADER,
        [0xA1, 0xB2, 0xCD, 0x34, ..] | [0x34, 0xCD, 0xB2, 0xA1, ..] => PCAP_HEADER,
        // The section header block of pcapng: its total length in the byte order of the section.
        [0x0A, 0x0D, 0x0D, 0x0A, length @ .., 0x1A, 0x2B, 0x3C, 0x4D] => {
            length.try_into().map_or(HEAD, |length| u32::from_be_bytes(length) as usize)
        }
        [0x0A, 0x0D, 0x0D, 0x0A, length @ .., 0x4D, 0x3C, 0x2B, 0x1A] => {
            length.try_into().map_or(HEAD, |length| u32::from_le_bytes(length) as usize)
        }
        _ => HEAD,
    }
}

/// The error of unpacking, as text for the owner of the file.
fn in_words(packing: &str, error: io::Error) -> io::Error {
    const REMEDY: &str = "fetch it again, or pack it again";
    let message = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("its {packing} packing ends too early: {REMEDY}"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            format!("its {packing} packing is damaged: {REMEDY}")
        }
        io::ErrorKind::Unsupported => format!("{error}, which is not read: pack it again without"),
        _ => return error,
    };
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time, and fails when it is asked for more.
    struct Slow(std::vec::IntoIter<u8>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer[0] = self.0.next().ok_or_else(|| io::Error::other("it would wait"))?;
            Ok(1)
        }
    }

    #[test]
    fn first_read_is_the_whole_header_and_no_more() {
        let pcap = [&[0xD4, 0xC3, 0xB2, 0xA1][..], &[0; 40]].concat();
        let section = |length: [u8; 4], order: [u8; 4]| {
            [&[0x0A, 0x0D, 0x0D, 0x0A], &length[..], &order[..], &[0; 100]].concat()
        };
        let little = section(40_u32.to_le_bytes(), [0x4D, 0x3C, 0x2B, 0x1A]);
        let big = section(48_u32.to_be_bytes(), [0x1A, 0x2B, 0x3C, 0x4D]);
        for (bytes, length) in [(pcap, 24), (little, 40), (big, 48)] {
            let mut input = Input::of(Slow(bytes.clone().into_iter()), None).unwrap();
            let mut buffer = [0; 4_096];
            assert_eq!(input.read(&mut buffer).unwrap(), length);
            assert_eq!(buffer[..length], bytes[..length]);
            assert!(input.watch().failure().is_none(), "nothing was waited for");
            assert_eq!(input.read(&mut buffer).unwrap(), 1, "later reads give what there is");
        }
    }

    #[test]
    fn absurd_length_of_a_header_is_bounded_by_the_buffer() {
        let bytes =
            [&[0x0A, 0x0D, 0x0D, 0x0A], &u32::MAX.to_le_bytes()[..], &[0x4D, 0x3C, 0x2B, 0x1A], &[7; 9_000]];
        let mut input = Input::of(Cursor::new(bytes.concat()), None).unwrap();
        assert_eq!(input.read(&mut [0; 5_000]).unwrap(), 5_000);
    }
}
