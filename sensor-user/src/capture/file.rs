//! Frames of a pcap or pcapng capture.

use std::{convert::Infallible, io, path::Path};

use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader, traits::PcapNGPacketBlock};
use thiserror::Error;

use super::input::Input;

/// A captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its link type.
    pub link: Linktype,
    /// Its captured bytes.
    pub bytes: &'a [u8],
    /// Time of capture, in nanoseconds since 1970; 0 if the file does not say.
    pub nanoseconds: u64,
}

/// Why a capture cannot be read to its end.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// It cannot be opened.
    #[error("open the capture: {0}")]
    Open(#[from] io::Error),
    /// It is not a capture.
    #[error("it is no capture: {0}; is it a pcap or pcapng file, as it is or packed with gzip or zstd?")]
    Foreign(String),
    /// It is damaged or cut.
    #[error("it is damaged at byte {offset}, after {frames} frames: {cause}")]
    Damaged {
        /// Frames that were read.
        frames: u64,
        /// Offset of the damage, in bytes of the unpacked capture.
        offset: u64,
        /// What is wrong.
        cause: String,
    },
}

/// Most bytes of a frame that capturing programs keep.
const MAX_FRAME_LEN: usize = 256 * 1024;

/// Size of the buffer: twice the longest frame with its block.
const BUFFER_LEN: usize = 2 * MAX_FRAME_LEN;

/// Calls `each` with every frame of a file in turn; `-` is standard input.
///
/// # Errors
/// [`CaptureError`] if the file cannot be opened or is damaged; frames before the damage were passed to `each`.
pub fn frames(path: &Path, mut each: impl FnMut(Frame<'_>)) -> Result<(), CaptureError> {
    let read = read_frames(Input::open(path)?, |frame| {
        each(frame);
        Ok::<_, Infallible>(())
    });
    match read {
        Ok(ended) => ended,
        Err(never) => match never {},
    }
}

/// Calls `each` with every frame of an input in turn, until it returns an error. Returns how the input ended: damage is
/// not an error of the caller.
///
/// # Errors
/// The error of `each`.
pub fn read_frames<E>(
    input: Input,
    mut each: impl FnMut(Frame<'_>) -> Result<(), E>,
) -> Result<Result<(), CaptureError>, E> {
    let watch = input.watch();
    let mut reader = match create_reader(BUFFER_LEN, input) {
        Ok(reader) => reader,
        Err(error) => {
            return Ok(Err(match watch.failure() {
                Some(packing) if packing.kind() == io::ErrorKind::InvalidData => {
                    CaptureError::Damaged { frames: 0, offset: 0, cause: packing.to_string() }
                }
                Some(failure) => CaptureError::Foreign(failure.to_string()),
                None => CaptureError::Foreign(no_capture(&error).to_owned()),
            }));
        }
    };
    let mut frames = 0;
    let mut clock = Clock::Pcap { link: Linktype::ETHERNET, fraction: 1 };
    let cause = loop {
        match reader.next() {
            Ok((taken, block)) => {
                let frame = match clock.frame(&block) {
                    Ok(frame) => frame,
                    Err(cause) => break cause.to_owned(),
                };
                if let Some(frame) = frame {
                    if frame.bytes.len() > MAX_FRAME_LEN {
                        break format!("a frame of {} bytes", frame.bytes.len());
                    }
                    frames += 1;
                    each(frame)?;
                }
                reader.consume(taken);
            }
            Err(PcapError::Eof) => match watch.failure() {
                None => return Ok(Ok(())),
                Some(failure) => break failure.to_string(),
            },
            Err(PcapError::Incomplete(_)) => {
                let before = reader.data().len();
                if let Err(error) = reader.refill() {
                    break broken(&error).to_owned();
                }
                // No bytes came and none will: trying again would never end.
                if reader.data().len() == before && !reader.reader_exhausted() {
                    break broken(&PcapError::<()>::BufferTooSmall).to_owned();
                }
            }
            Err(error) => {
                break watch.failure().map_or_else(|| broken(&error).to_owned(), |error| error.to_string());
            }
        }
    };
    Ok(Err(CaptureError::Damaged { frames, offset: reader.consumed() as u64, cause }))
}

/// Why an input is not a capture.
const fn no_capture<I>(error: &PcapError<I>) -> &'static str {
    match error {
        PcapError::Eof => "it is empty",
        PcapError::Incomplete(_) => "it ends within its header",
        _ => "it begins with something else",
    }
}

/// What is wrong with a capture.
const fn broken<I>(error: &PcapError<I>) -> &'static str {
    match error {
        PcapError::UnexpectedEof => "it stops within a frame",
        PcapError::BufferTooSmall => "a frame or block longer than any is",
        _ => "the bytes there are no block of a capture",
    }
}

/// Link type and time resolution: of the file, or of each interface in it.
enum Clock {
    Pcap { link: Linktype, fraction: u64 },
    PcapNg(Vec<(Linktype, u64, i64)>),
}

/// The bits of a pcap header's last word for the link type; the others are about frame check sequences.
const LINK_TYPE: i32 = 0xFFFF;

/// The message about a frame of an undescribed interface.
const STRANGE_INTERFACE: &str = "a frame of an interface that the capture does not describe";

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

impl Clock {
    /// The frame in a block, if there is one.
    fn frame<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Result<Option<Frame<'a>>, &'static str> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let fraction = if header.is_nanosecond_precision() { 1 } else { 1000 };
                *self = Self::Pcap { link: Linktype(header.network.0 & LINK_TYPE), fraction };
                Ok(None)
            }
            PcapBlockOwned::Legacy(packet) => {
                let Self::Pcap { link, fraction } = self else { return Ok(None) };
                let nanoseconds = u64::from(packet.ts_sec) * SECOND + u64::from(packet.ts_usec) * *fraction;
                Ok(Some(Frame { link: *link, bytes: packet.data, nanoseconds }))
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                *self = Self::PcapNg(Vec::new());
                Ok(None)
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if let Self::PcapNg(interfaces) = self {
                    let resolution = interface.ts_resolution().unwrap_or(1_000_000).max(1);
                    interfaces.push((interface.linktype, resolution, interface.ts_offset()));
                }
                Ok(None)
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let Self::PcapNg(interfaces) = self else { return Ok(None) };
                let interface = interfaces.get(packet.if_id as usize).ok_or(STRANGE_INTERFACE)?;
                let (link, resolution, offset) = *interface;
                let ticks = u128::from(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low));
                let since = u64::try_from(ticks * u128::from(SECOND) / u128::from(resolution)).unwrap_or(0);
                let nanoseconds = since.saturating_add_signed(offset.saturating_mul(SECOND as i64));
                Ok(Some(Frame { link, bytes: packet.packet_data(), nanoseconds }))
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let Self::PcapNg(interfaces) = self else { return Ok(None) };
                let (link, ..) = *interfaces.first().ok_or(STRANGE_INTERFACE)?;
                Ok(Some(Frame { link, bytes: packet.packet_data(), nanoseconds: 0 }))
            }
            PcapBlockOwned::NG(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn count(path: &Path) -> (u64, Result<(), CaptureError>) {
        let mut count = 0;
        let result = frames(path, |_| count += 1);
        (count, result)
    }

    fn recorded() -> PathBuf {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures/samba/wrongpw.pcap").into()
    }

    #[test]
    fn gives_every_frame_with_its_time() {
        let mut times = Vec::new();
        frames(&recorded(), |frame| times.push(frame.nanoseconds)).unwrap();
        assert_eq!(times.len(), 14);
        assert!(times.is_sorted() && times[0] > 1_700_000_000 * SECOND);
    }

    #[test]
    fn file_cut_anywhere_gives_its_whole_frames_and_an_end() {
        let bytes = fs::read(recorded()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.pcap");
        let mut last = 0;
        for length in (0..bytes.len()).step_by(37) {
            fs::write(&path, &bytes[..length]).unwrap();
            let (count, result) = count(&path);
            assert!(count >= last && (result.is_err() || length >= 24), "{length}");
            last = count;
        }
    }

    #[test]
    fn refuses_another_file_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.pcap");
        fs::write(&path, "not a capture at all, though longer than a header would be").unwrap();
        let error = count(&path).1.unwrap_err().to_string();
        assert!(error.contains("is it a pcap or pcapng file"), "{error}");
        assert!(matches!(count(&folder.path().join("none.pcap")).1, Err(CaptureError::Open(_))));
    }
}
