//! Messages of one side of a TCP connection, out of its payload.
//!
//! Takes pieces of payload in any order, repeated or overlapping, and gives messages in the order in which they become complete.
//! It serves full captures, which have every piece, and captures of wanted messages alone, in which the start of each message is
//! marked and everything between is missing. It gives up a gap when a later message starts. It holds at most [`MAX_BUFFERED`]
//! bytes, and gives the head of a longer message as soon as it holds that much.

mod checksum;
mod framed;
mod piece;
mod repeated;

use std::hash::{DefaultHasher, Hasher as _};

pub use self::{
    checksum::Checksum,
    piece::{Joined, Piece},
};
use self::{
    checksum::Checksums,
    framed::{Framed, framed},
    repeated::Repeated,
};
use super::framing::Framing;

/// Most bytes held, and most bytes given of one message.
pub const MAX_BUFFERED: usize = 16 * 1024;

/// Most pieces held that wait for one before them.
const MAX_PIECES: usize = 64;

/// Bytes of a message up to which the capture may give it up on purpose: until its header is whole, it is not known whether more of
/// it is wanted.
const MAX_UNDECIDED: usize = 256;

/// Messages given last that are remembered, to recognise a repetition.
const MAX_STARTS: usize = 8;

/// Second readings of messages that are given.
const MAX_SECOND_READINGS: u64 = 16;

/// One side of a connection.
#[derive(Debug)]
pub struct Stream {
    framing: Framing,
    checksums: Checksums,
    /// Sequence number of the first byte of `head`, once it is known where messages start.
    at: Option<u32>,
    /// Bytes from there on without a gap.
    head: Vec<u8>,
    /// Length of the later message of a compound that begins there, or 0.
    chained: usize,
    /// Bytes of a message whose head was given that are still to be passed over.
    passing: usize,
    /// Pieces behind a gap.
    waiting: Vec<Waiting>,
    /// Starts of the messages given last.
    starts: [Option<Given>; MAX_STARTS],
    next_start: usize,
    /// The message given last.
    last: Option<Repeated>,
    /// Times that bytes were given up: the rest of a message that never came, or pieces for which there was no room.
    gaps: u64,
    /// Segments that differ from what was seen at their place.
    conflicts: u64,
    /// Readings of messages that were given already.
    readings: u64,
}

/// A message that was given.
#[derive(Clone, Copy, Debug)]
struct Given {
    sequence: u32,
    len: usize,
    hash: u64,
}

impl Given {
    fn of(sequence: u32, bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self { sequence, len: bytes.len(), hash: hasher.finish() }
    }
}

#[derive(Debug)]
struct Waiting {
    sequence: u32,
    bytes: Vec<u8>,
    missing: u32,
    last: bool,
}

impl Stream {
    /// A side of which nothing was seen.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            checksums: Checksums::default(),
            at: None,
            head: Vec::new(),
            chained: 0,
            passing: 0,
            waiting: Vec::new(),
            starts: [None; MAX_STARTS],
            next_start: 0,
            last: None,
            gaps: 0,
            conflicts: 0,
            readings: 0,
        }
    }

    /// Segments whose bytes differ from those seen before at the same place. TCP sends the same bytes again (RFC 9293 3.4), so
    /// one of the two is forged or damaged, and only the receiver knows which it took.
    #[must_use]
    pub const fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Times that bytes were given up: the rest of a message never came, or pieces waited too long for those before them. The short
    /// head of a message does not count: it may have been given up on purpose.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Bytes held of messages that were not given yet.
    #[must_use]
    pub fn held(&self) -> usize {
        self.head.len() + self.waiting.iter().map(|waiting| waiting.bytes.len()).sum::<usize>()
    }

    /// Takes a piece and gives the messages that are whole with it, and the head of one that can never be.
    pub fn piece(&mut self, piece: Piece<'_>) -> Vec<Joined> {
        let mut given = Vec::new();
        let mut checksums = std::mem::take(&mut self.checksums);
        checksums.pass(piece, |piece| given.extend(self.read(piece)));
        self.checksums = checksums;
        given
    }

    fn read(&mut self, piece: Piece<'_>) -> Vec<Joined> {
        let mut given = Vec::new();
        let before = self.starts.iter().flatten().find(|given| given.sequence == piece.sequence).copied();
        let is_last = self.last.as_ref().is_some_and(|last| last.begins_at(piece.sequence));
        self.read_again(&piece, &mut given);
        if let Some(before) = before {
            if !is_last {
                given.extend(self.second_reading(&piece, before));
            }
        } else if piece.starts_message && !self.continues(&piece) {
            self.give_up(&mut given);
            self.at = Some(piece.sequence);
            self.chained = piece.chained as usize;
        }
        self.hold(piece, &mut given);
        self.advance(&mut given);
        self.make_room(0);
        given
    }

    /// Takes a piece as what comes again of the message given last.
    fn read_again(&mut self, piece: &Piece<'_>, given: &mut Vec<Joined>) {
        let Some(last) = &mut self.last else { return };
        let length = match framed(self.framing, piece.bytes) {
            Framed::Whole(length) => Some(length),
            Framed::Early | Framed::Lost => None,
        };
        self.conflicts += u64::from(last.take(piece.sequence, piece.bytes, length));
        if let Some(reading) = last.whole_reading() {
            self.give_reading(reading, given);
        }
    }

    /// Gives another reading of a message, unless there were too many.
    fn give_reading(&mut self, reading: Joined, given: &mut Vec<Joined>) {
        self.readings += 1;
        if self.readings <= MAX_SECOND_READINGS {
            given.push(reading);
        }
    }

    /// The message of a piece that begins where another was given, if it is whole and differs.
    fn second_reading(&mut self, piece: &Piece<'_>, before: Given) -> Option<Joined> {
        let bytes = piece.bytes.get(..before.len)?;
        if Given::of(piece.sequence, bytes).hash == before.hash {
            return None;
        }
        self.conflicts += 1;
        self.readings += 1;
        (self.readings <= MAX_SECOND_READINGS).then(|| Joined::of(bytes.to_vec(), 0, piece.chained != 0))
    }

    /// Gives what there is of a message that was not whole when the connection ended, and other readings of the last one.
    pub fn finish(&mut self) -> Vec<Joined> {
        let mut given = Vec::new();
        std::mem::take(&mut self.checksums).finish(|piece| given.extend(self.read(piece)));
        self.give_rest(&mut given);
        given
    }

    /// Whether a sequence number lies in a message that was begun, behind its first byte: what looks like a start there is
    /// its content, as it is to the machine that receives it. Where the next message is expected nothing has to begin anew.
    fn continues(&self, piece: &Piece<'_>) -> bool {
        let Some(at) = self.at else { return false };
        if piece.chained != 0 {
            // Behind the message before it, inside the compound.
            return self.chained != 0 && at == piece.sequence;
        }
        let inside = match self.framed() {
            Framed::Whole(length) => length,
            Framed::Early | Framed::Lost => self.passing.max(self.head.len()),
        };
        let offset = distance(at, piece.sequence);
        offset == 0 || usize::try_from(offset).is_ok_and(|offset| offset < inside)
    }

    /// What `head` begins with.
    fn framed(&self) -> Framed {
        if self.passing > 0 || self.head.is_empty() {
            return Framed::Early;
        }
        if self.chained != 0 {
            return Framed::Whole(self.chained);
        }
        framed(self.framing, &self.head)
    }

    fn hold(&mut self, piece: Piece<'_>, given: &mut Vec<Joined>) {
        let Some(at) = self.at else {
            // Where messages start is not known yet: pieces wait for the start.
            return self.wait(piece);
        };
        let frontier = self.head.len() as i64;
        let offset = distance(at, piece.sequence);
        if offset > frontier {
            return self.wait(piece);
        }
        // Repeated bytes are as they came first.
        let known = (frontier - offset) as usize;
        let repeated = &piece.bytes[..known.min(piece.bytes.len())];
        let before = usize::try_from(offset).ok().and_then(|at| self.head.get(at..at + repeated.len()));
        // A keep-alive may carry one byte of garbage (RFC 9293 3.8.4).
        let differs = repeated.len() > 1 && before.is_some_and(|before| before != repeated);
        self.conflicts += u64::from(differs);
        if differs && offset == 0 && piece.bytes.len() >= self.head.len() {
            // Another reading of the message from its first byte on: what was there of the first one is given as it is.
            if let Framed::Whole(length) = self.framed() {
                let bytes = std::mem::take(&mut self.head);
                let missing = length.saturating_sub(bytes.len());
                self.give_reading(Joined::of(bytes, missing, self.chained != 0), given);
            }
            self.head.clear();
            return self.hold(piece, given);
        }
        let Some(fresh) = piece.bytes.get(known..) else { return };
        let passed = self.passing.min(fresh.len());
        self.passing -= passed;
        self.at = Some(at.wrapping_add(passed as u32));
        self.head.extend_from_slice(&fresh[passed..]);
        self.take_messages(given);
        if piece.missing > 0 || piece.last {
            self.skip(piece.missing, given);
        }
    }

    /// Gives the head of the message that is not going to be whole, and goes on behind bytes that were not captured.
    fn skip(&mut self, missing: u32, given: &mut Vec<Joined>) {
        if let Framed::Whole(length) = self.framed() {
            self.take(self.head.len(), length, given);
        }
        if missing == 0 {
            return;
        }
        match (self.at, self.passing.checked_sub(missing as usize)) {
            (Some(at), Some(passing)) if self.head.is_empty() => {
                self.at = Some(at.wrapping_add(missing));
                self.passing = passing;
            }
            // The start of the next message is among them.
            _ => self.lose(),
        }
    }

    fn wait(&mut self, piece: Piece<'_>) {
        if piece.bytes.is_empty() {
            return;
        }
        let Piece { sequence, bytes, missing, last, .. } = piece;
        if self.waiting.iter().any(|held| held.sequence == sequence && held.bytes.len() >= bytes.len()) {
            return;
        }
        self.make_room(bytes.len());
        let room = MAX_BUFFERED.saturating_sub(self.held());
        let kept = &bytes[..bytes.len().min(room)];
        let missing = missing.saturating_add((bytes.len() - kept.len()) as u32);
        self.waiting.push(Waiting { sequence, bytes: kept.to_vec(), missing, last });
    }

    /// Gives up the pieces that waited longest, until so many bytes more can be held.
    fn make_room(&mut self, bytes: usize) {
        while !self.waiting.is_empty()
            && (self.waiting.len() >= MAX_PIECES || self.held() + bytes > MAX_BUFFERED)
        {
            self.waiting.remove(0);
            self.gaps += 1;
        }
    }

    /// Takes in what waited for the bytes before it, until nothing changes.
    fn advance(&mut self, given: &mut Vec<Joined>) {
        while let Some(at) = self.at {
            let frontier = self.head.len() as i64;
            let next = self.waiting.iter().position(|held| distance(at, held.sequence) <= frontier);
            let Some(next) = next else { return };
            let Waiting { sequence, bytes, missing, last } = self.waiting.remove(next);
            let piece = Piece {
                sequence,
                bytes: &bytes,
                missing,
                starts_message: false,
                last,
                chained: 0,
                checksum: Checksum::Unknown,
            };
            self.hold(piece, given);
        }
    }

    /// Gives what is whole, and the head of what is longer than is held.
    fn take_messages(&mut self, given: &mut Vec<Joined>) {
        loop {
            match self.framed() {
                Framed::Whole(length) if self.head.len() >= length => self.take(length, length, given),
                Framed::Whole(length) if self.head.len() >= MAX_BUFFERED => {
                    self.take(self.head.len(), length, given);
                }
                Framed::Whole(_) | Framed::Early => return,
                Framed::Lost => return self.lose(),
            }
        }
    }

    /// Gives the first `taken` bytes as a message of `length`.
    fn take(&mut self, taken: usize, length: usize, given: &mut Vec<Joined>) {
        let Some(at) = self.at else { return };
        let rest = self.head.split_off(taken);
        let message = std::mem::replace(&mut self.head, rest);
        self.starts[self.next_start % MAX_STARTS] = Some(Given::of(at, &message));
        self.next_start = (self.next_start + 1) % MAX_STARTS;
        self.at = Some(at.wrapping_add(taken as u32));
        self.passing = length - taken;
        if let Some(reading) = self.last.take().and_then(Repeated::last_reading) {
            self.give_reading(reading, given);
        }
        let is_chained = std::mem::take(&mut self.chained) != 0;
        self.last = (taken == length).then(|| Repeated::of(at, &message, is_chained)).flatten();
        let shown = message.len().min(MAX_BUFFERED);
        given.push(Joined::of(message[..shown].to_vec(), length - shown, is_chained));
    }

    fn give_up(&mut self, given: &mut Vec<Joined>) {
        self.gaps += u64::from(self.head.len() > MAX_UNDECIDED);
        self.give_rest(given);
    }

    fn give_rest(&mut self, given: &mut Vec<Joined>) {
        if let Framed::Whole(length) = self.framed() {
            self.take(self.head.len().min(length), length, given);
        }
        if let Some(reading) = self.last.take().and_then(Repeated::last_reading) {
            self.give_reading(reading, given);
        }
        self.lose();
    }

    fn lose(&mut self) {
        self.at = None;
        self.head.clear();
        self.chained = 0;
        self.passing = 0;
    }
}

/// How far a sequence number lies behind another, around 2^32 (RFC 9293 3.4).
const fn distance(from: u32, to: u32) -> i64 {
    to.wrapping_sub(from) as i32 as i64
}

#[cfg(test)]
mod tests;
