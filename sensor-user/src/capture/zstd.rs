//! zstd (RFC 8878): all frames of a stream in order, empty ones skipped.

use std::{
    error::Error,
    io::{self, BufRead, Read},
};

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, FrameHeaderError, ReadFrameHeaderError},
};

/// The unpacked bytes of a stream of zstd frames.
pub(super) struct ZstdFrames<R> {
    source: R,
    decoder: Box<FrameDecoder>,
    within: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, decoder: Box::new(FrameDecoder::new()), within: false }
    }

    /// Begins the next frame; `false` at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.within = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut Read::by_ref(&mut self.source).take(u64::from(length)), &mut io::sink())?;
                }
                Err(error) => return Err(failed(&error)),
            }
        }
        Ok(false)
    }

    fn end(&mut self) -> io::Result<()> {
        self.within = false;
        let expected = self.decoder.get_checksum_from_data();
        if expected.is_some() && expected != self.decoder.get_calculated_checksum() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum of a zstd frame is wrong"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if buffer.is_empty() || (!self.within && !self.begin()?) {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(buffer.len()))
                    .map_err(|error| failed(&error))?;
            }
            match self.decoder.read(buffer)? {
                0 => self.end()?,
                count => return Ok(count),
            }
        }
    }
}

/// The cause of a decoder's error: the source's own error, an unsupported feature, or damage.
fn failed(error: &FrameDecoderError) -> io::Error {
    match error {
        FrameDecoderError::DictNotProvided { .. } => {
            return io::Error::new(io::ErrorKind::Unsupported, "it is packed with a dictionary of zstd");
        }
        FrameDecoderError::WindowSizeTooBig { .. }
        | FrameDecoderError::FrameHeaderError(FrameHeaderError::WindowTooBig { .. })
        | FrameDecoderError::FailedToInitialize(FrameHeaderError::WindowTooBig { .. }) => {
            return io::Error::new(
                io::ErrorKind::Unsupported,
                "it is packed with too large a window (zstd --long)",
            );
        }
        _ => {}
    }
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(one) = cause {
        if let Some(of_source) = one.downcast_ref::<io::Error>() {
            return io::Error::new(of_source.kind(), of_source.to_string());
        }
        cause = one.source();
    }
    io::ErrorKind::InvalidData.into()
}
