//! Counts of frames in a replay, read and unreadable: of all files, and of the present one.

use pcap_parser::Linktype;

use super::link;
use crate::capture::Frame;

/// Counts of frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Frames.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames that were skipped, because of their link type or because they are too short for it.
    pub left_out: u64,
    /// A link type that was skipped.
    pub unknown_link: Option<Linktype>,
}

/// The counts of a replay.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    pub(super) all: Counted,
    pub(super) file: Counted,
}

impl Read {
    pub(super) fn begin_file(&mut self) {
        self.file = Counted::default();
    }

    pub(super) const fn frame(&mut self, frame: &Frame<'_>) {
        let bytes = frame.bytes.len() as u64;
        self.all.frames += 1;
        self.all.bytes += bytes;
        self.file.frames += 1;
        self.file.bytes += bytes;
    }

    pub(super) fn leave_out(&mut self, frame: &Frame<'_>) {
        for counted in [&mut self.all, &mut self.file] {
            counted.left_out += 1;
            if !link::is_known(frame.link) {
                counted.unknown_link = Some(frame.link);
            }
        }
    }
}

impl Counted {
    /// Why a file with frames gave no results, if so.
    #[must_use]
    pub fn nothing_read(&self) -> Option<String> {
        if self.frames == 0 || self.left_out < self.frames {
            return None;
        }
        let why = self.unknown_link.map_or_else(
            || "they are too short, or not of IP".to_owned(),
            |unread| format!("their link type is {}. The sensor reads {}", unread.0, link::READ),
        );
        Some(format!("none of its {} frames can be read, so it was not analysed: {why}", self.frames))
    }
}
