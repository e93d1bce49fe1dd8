//! Frames of a pcap or pcapng file.

use std::{fs::File, io, path::Path};

use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader, traits::PcapNGPacketBlock};
use thiserror::Error;

/// A frame as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What it begins with.
    pub link: Linktype,
    /// What there is of it.
    pub bytes: &'a [u8],
    /// When it was captured, in nanoseconds since 1970; 0 where the file does not say.
    pub nanoseconds: u64,
}

/// A file that cannot be read.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// It cannot be opened.
    #[error("open the capture: {0}")]
    Open(#[from] io::Error),
    /// It is no capture, or a broken one.
    #[error("read the capture after {frames} frames: {cause}; is it a pcap or pcapng file, and whole?")]
    Format {
        /// Frames that were read.
        frames: u64,
        /// What is wrong.
        cause: String,
    },
}

/// Room for the longest block: a frame of 256 KiB, the most that capturing programs keep.
const BUFFER: usize = 512 * 1024;

/// Calls `each` with every frame in turn.
///
/// # Errors
/// [`CaptureError`] where the file cannot be opened or is broken; frames before that were given.
pub fn frames(path: &Path, mut each: impl FnMut(Frame<'_>)) -> Result<(), CaptureError> {
    let mut count = 0;
    let format = |frames, cause: String| CaptureError::Format { frames, cause };
    let mut reader =
        create_reader(BUFFER, File::open(path)?).map_err(|error| format(0, format!("{error:?}")))?;
    let mut clock = Clock::Pcap { link: Linktype::ETHERNET, fraction: 1 };
    loop {
        match reader.next() {
            Ok((taken, block)) => {
                if let Some(frame) = clock.frame(&block) {
                    count += 1;
                    each(frame);
                }
                reader.consume(taken);
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => {
                let before = reader.data().len();
                reader.refill().map_err(|error| format(count, error.to_string()))?;
                // Where nothing came and nothing will, trying again would be for ever.
                if reader.data().len() == before && !reader.reader_exhausted() {
                    return Err(format(count, "a block is longer than any frame is".to_owned()));
                }
            }
            Err(PcapError::UnexpectedEof) => return Err(format(count, "it stops within a frame".to_owned())),
            Err(error) => return Err(format(count, error.to_string())),
        }
    }
}

/// What a frame's link type and time are read by: of the file, or of each interface in it.
enum Clock {
    Pcap { link: Linktype, fraction: u64 },
    PcapNg(Vec<(Linktype, u64, i64)>),
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

impl Clock {
    fn frame<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Option<Frame<'a>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let fraction = if header.is_nanosecond_precision() { 1 } else { 1000 };
                *self = Self::Pcap { link: header.network, fraction };
                None
            }
            PcapBlockOwned::Legacy(packet) => {
                let Self::Pcap { link, fraction } = self else { return None };
                let nanoseconds = u64::from(packet.ts_sec) * SECOND + u64::from(packet.ts_usec) * *fraction;
                Some(Frame { link: *link, bytes: packet.data, nanoseconds })
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                *self = Self::PcapNg(Vec::new());
                None
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if let Self::PcapNg(interfaces) = self {
                    let resolution = interface.ts_resolution().unwrap_or(1_000_000).max(1);
                    interfaces.push((interface.linktype, resolution, interface.ts_offset()));
                }
                None
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let Self::PcapNg(interfaces) = self else { return None };
                let (link, resolution, offset) = *interfaces.get(usize::try_from(packet.if_id).ok()?)?;
                let ticks = u128::from(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low));
                let since = u64::try_from(ticks * u128::from(SECOND) / u128::from(resolution)).unwrap_or(0);
                let nanoseconds = since.saturating_add_signed(offset.saturating_mul(SECOND as i64));
                Some(Frame { link, bytes: packet.packet_data(), nanoseconds })
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let Self::PcapNg(interfaces) = self else { return None };
                let (link, ..) = *interfaces.first()?;
                Some(Frame { link, bytes: packet.packet_data(), nanoseconds: 0 })
            }
            PcapBlockOwned::NG(_) => None,
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
    fn every_frame_of_a_capture_is_given_with_its_time() {
        let mut times = Vec::new();
        frames(&recorded(), |frame| times.push(frame.nanoseconds)).unwrap();
        assert_eq!(times.len(), 14);
        assert!(times.is_sorted() && times[0] > 1_700_000_000 * SECOND);
    }

    #[test]
    fn a_file_cut_anywhere_gives_its_whole_frames_and_an_end() {
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
    fn a_file_of_something_else_is_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.pcap");
        fs::write(&path, "not a capture at all, though longer than a header would be").unwrap();
        let error = count(&path).1.unwrap_err().to_string();
        assert!(error.contains("is it a pcap or pcapng file"), "{error}");
        assert!(matches!(count(&folder.path().join("none.pcap")).1, Err(CaptureError::Open(_))));
    }
}
