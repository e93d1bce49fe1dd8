//! Reads and unpacks the next bytes of a capture in a thread of its own, while the earlier ones are processed.

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    thread,
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

/// Bytes of one chunk.
const CHUNK: usize = 64 << 10;

/// Most chunks that wait for the reader.
const MAX_AHEAD: usize = 4;

/// Time between two questions whether more bytes are wanted, while the source gives none.
const LOOK: Duration = Duration::from_millis(100);

/// A buffer and the number of bytes in it: none at the end of the source.
struct Chunk {
    buffer: Box<[u8]>,
    length: usize,
}

/// Bytes of a source in the order of the source. It ends after the first error.
pub(super) struct ReadAhead {
    chunks: Receiver<io::Result<Chunk>>,
    /// Buffers to use again.
    empty: Sender<Box<[u8]>>,
    chunk: Option<Chunk>,
    /// Bytes of the chunk that were passed on.
    taken: usize,
    /// The last chunk or a failure was received.
    has_ended: bool,
    /// Whether more bytes are wanted. If not, a source that gives none, such as a quiet pipe, is not waited for.
    is_wanted: Box<dyn Fn() -> bool + Send>,
}

impl ReadAhead {
    /// Starts to read `source` on any of these CPUs; without them, on those of the calling thread, which may be bound to one.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn of(
        source: impl Read + Send + 'static,
        cpus: Option<CpuSet>,
        is_wanted: impl Fn() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (filled, chunks) = sync_channel(MAX_AHEAD);
        let (empty, buffers) = channel();
        thread::Builder::new().name("read-ahead".to_owned()).spawn(move || {
            if let Some(cpus) = cpus {
                // If that is refused, it reads on the CPU of the calling thread, which is only slower.
                let _ = sched_setaffinity(Pid::from_raw(0), &cpus);
            }
            read_all(source, &filled, &buffers);
        })?;
        Ok(Self { chunks, empty, chunk: None, taken: 0, has_ended: false, is_wanted: Box::new(is_wanted) })
    }

    /// Waits for the next chunk; the last one is empty.
    fn receive(&mut self) -> io::Result<Chunk> {
        let next = loop {
            match self.chunks.recv_timeout(LOOK) {
                Ok(next) => break next,
                Err(RecvTimeoutError::Timeout) if (self.is_wanted)() => {}
                Err(RecvTimeoutError::Timeout) => {
                    break Err(io::Error::other("the input is no longer wanted"));
                }
                // At the end of the source the thread sends an empty chunk before it returns.
                Err(RecvTimeoutError::Disconnected) => {
                    break Err(io::Error::other("the thread that reads ahead has failed"));
                }
            }
        };
        self.has_ended = next.as_ref().map_or(true, |chunk| chunk.length == 0);
        next
    }
}

/// Sends the chunks of `source` until it ends or fails, or nobody wants more.
fn read_all(mut source: impl Read, filled: &SyncSender<io::Result<Chunk>>, buffers: &Receiver<Box<[u8]>>) {
    loop {
        let mut buffer = buffers.try_recv().unwrap_or_else(|_| vec![0; CHUNK].into());
        let chunk = match source.read(&mut buffer) {
            Ok(length) => Ok(Chunk { buffer, length }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = chunk.as_ref().map_or(true, |chunk| chunk.length == 0);
        if filled.send(chunk).is_err() || is_last {
            return;
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let chunk = match self.chunk.take() {
            Some(chunk) => chunk,
            None if self.has_ended => return Ok(0),
            None => self.receive()?,
        };
        let count = buffer.len().min(chunk.length - self.taken);
        buffer[..count].copy_from_slice(&chunk.buffer[self.taken..][..count]);
        self.taken += count;
        if self.taken < chunk.length {
            self.chunk = Some(chunk);
        } else {
            self.taken = 0;
            // After the end of the source nobody needs the buffer.
            let _ = self.empty.send(chunk.buffer);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use nix::sched::sched_getaffinity;

    use super::*;

    fn ahead(source: impl Read + Send + 'static) -> ReadAhead {
        ReadAhead::of(source, sched_getaffinity(Pid::from_raw(0)).ok(), || true).unwrap()
    }

    /// Gives this many bytes in pieces of all lengths, and then fails.
    struct Failing {
        left: usize,
        next: usize,
    }

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Err(io::Error::other("the disk is gone"));
            }
            let count = (self.next % 70_000 + 1).min(self.left).min(buffer.len());
            for (at, byte) in buffer[..count].iter_mut().enumerate() {
                *byte = ((self.left - at) % 251) as u8;
            }
            self.left -= count;
            self.next = (self.next * 7 + 13) % 1_000_003;
            Ok(count)
        }
    }

    #[test]
    fn bytes_arrive_in_order_and_unchanged() {
        let bytes: Vec<u8> = (0..3_000_001_u32).map(|number| (number % 253) as u8).collect();
        let mut read = Vec::new();
        ahead(io::Cursor::new(bytes.clone())).read_to_end(&mut read).unwrap();
        assert!(read == bytes, "{} of {} bytes", read.len(), bytes.len());
    }

    #[test]
    fn cpus_need_not_be_known() {
        let mut read = Vec::new();
        ReadAhead::of(io::Cursor::new("bytes"), None, || true).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, b"bytes");
    }

    #[test]
    fn failure_comes_after_the_bytes_before_it() {
        let left = 1_000_003;
        let (mut read, mut source) = (Vec::new(), ahead(Failing { left, next: 0 }));
        let error = source.read_to_end(&mut read).unwrap_err();
        assert_eq!((error.to_string().as_str(), read.len()), ("the disk is gone", left));
        let expected = (0..left).map(|at| ((left - at) % 251) as u8);
        assert!(read.iter().copied().eq(expected));
        assert_eq!(source.read(&mut [0; 8]).unwrap(), 0, "it ends there");
    }

    #[test]
    fn thread_that_fails_is_no_end_of_the_capture() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("a defect");
            }
        }
        let mut source = ahead(Broken);
        let error = source.read(&mut [0; 8]).unwrap_err().to_string();
        assert_eq!(error, "the thread that reads ahead has failed");
        assert_eq!(source.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn quiet_source_is_left_when_no_more_is_wanted() {
        let (source, _writer) = io::pipe().unwrap();
        let looks = AtomicUsize::new(0);
        let is_wanted = move || looks.fetch_add(1, Ordering::SeqCst) == 0;
        let mut source = ReadAhead::of(source, None, is_wanted).unwrap();
        let error = source.read(&mut [0; 8]).unwrap_err().to_string();
        assert_eq!(error, "the input is no longer wanted");
        assert_eq!(source.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn source_is_not_read_further_than_the_chunks_that_may_wait() {
        /// Counts how often it is read.
        struct Endless(Arc<AtomicUsize>);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.fetch_add(1, Ordering::SeqCst);
                Ok(buffer.len())
            }
        }
        let reads = Arc::new(AtomicUsize::new(0));
        let mut source = ahead(Endless(Arc::clone(&reads)));
        let mut byte = [0];
        for _ in 0..3 * CHUNK {
            source.read_exact(&mut byte).unwrap();
        }
        // Three are read, the last of them is still held, and one more is in the hands of the thread.
        assert!(reads.load(Ordering::SeqCst) <= 3 + MAX_AHEAD + 1);
    }
}
