//! The message that was given last, and the bytes that arrive again at its place.

use super::{Joined, distance};

/// Longest message of which the bytes are kept.
const MAX_KEPT: usize = 4 * 1024;

/// A message, and another reading of it if segments with other bytes came at its place.
#[derive(Debug)]
pub(super) struct Repeated {
    /// Sequence number of its first byte.
    sequence: u32,
    /// Its bytes, as they came last.
    bytes: Vec<u8>,
    /// Some of them differ from what was given.
    differs: bool,
    /// It has another length than what was given.
    is_other_length: bool,
    /// Bytes from the first one on that came without a gap since it was given; all of them once its end came again with other bytes.
    again: usize,
    /// It is a later message of a compound.
    is_chained: bool,
}

impl Repeated {
    /// The message that was given, if it is short enough.
    pub(super) fn of(sequence: u32, bytes: &[u8], is_chained: bool) -> Option<Self> {
        let bytes = (bytes.len() <= MAX_KEPT).then(|| bytes.to_vec())?;
        Some(Self { sequence, bytes, differs: false, is_other_length: false, again: 0, is_chained })
    }

    /// Whether it begins there.
    pub(super) const fn begins_at(&self, sequence: u32) -> bool {
        self.sequence == sequence
    }

    /// Takes bytes that come at its place; returns whether they differ from those that came before. If they begin it, they may
    /// say that it has another `length`.
    pub(super) fn take(&mut self, sequence: u32, bytes: &[u8], length: Option<usize>) -> bool {
        let offset = distance(self.sequence, sequence);
        let passed = usize::try_from(-offset).unwrap_or(0);
        let at = usize::try_from(offset).unwrap_or(0);
        let other_length =
            length.filter(|length| offset == 0 && *length != self.bytes.len() && *length <= MAX_KEPT);
        if let Some(length) = other_length {
            self.bytes.resize(length, 0);
            (self.is_other_length, self.again) = (true, 0);
        }
        let (Some(bytes), Some(place)) = (bytes.get(passed..), self.bytes.get_mut(at..)) else {
            return false;
        };
        let length = bytes.len().min(place.len());
        let (bytes, place) = (&bytes[..length], &mut place[..length]);
        // A keep-alive may carry one byte of garbage (RFC 9293 3.8.4).
        if length < 2 {
            return false;
        }
        let differs = other_length.is_some() || *place != *bytes;
        place.copy_from_slice(bytes);
        self.differs |= differs;
        if differs && !self.is_other_length && at + length == self.bytes.len() {
            // What is before it came once.
            self.again = self.bytes.len();
        } else if at <= self.again {
            self.again = self.again.max(at + length);
        }
        differs
    }

    /// The other reading, once all of it came again.
    pub(super) fn whole_reading(&mut self) -> Option<Joined> {
        if self.again < self.bytes.len() {
            return None;
        }
        (self.is_other_length, self.again) = (false, 0);
        std::mem::take(&mut self.differs).then(|| Joined::of(self.bytes.clone(), 0, self.is_chained))
    }

    /// The other reading with what came of it, once no more is going to come.
    pub(super) fn last_reading(self) -> Option<Joined> {
        (self.differs && !self.is_other_length).then(|| Joined::of(self.bytes, 0, self.is_chained))
    }
}
