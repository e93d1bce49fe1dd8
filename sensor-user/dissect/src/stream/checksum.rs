//! Segments with a wrong checksum, which no receiver accepts: they wait, and right ones replace them.

use super::{Piece, distance};

/// Most segments with a wrong checksum that wait.
const MAX_DOUBTED: usize = 8;

/// The TCP checksum of the segment that a piece holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// It cannot be checked.
    #[default]
    Unknown,
    /// It is that of these bytes.
    Right,
    /// It is not.
    Wrong,
}

/// What is known of the checksums of one side.
#[derive(Debug, Default)]
pub(super) struct Checksums {
    /// The last segment with a right one.
    right: Option<Place>,
    /// Segments with a wrong one, until another segment shows whether they yield, in the order in which they came.
    doubted: Vec<Doubted>,
}

/// A range of sequence numbers.
#[derive(Clone, Copy, Debug)]
struct Place {
    from: u32,
    length: u32,
}

#[derive(Debug)]
struct Doubted {
    bytes: Vec<u8>,
    /// The rest of the piece.
    sequence: u32,
    missing: u32,
    starts_message: bool,
    last: bool,
    chained: u32,
}

impl Place {
    const fn of(piece: &Piece<'_>) -> Self {
        Self { from: piece.sequence, length: piece.bytes.len() as u32 }
    }

    /// Whether it ends before another one, or where that begins.
    const fn is_before(self, other: Self) -> bool {
        distance(self.from.wrapping_add(self.length), other.from) >= 0
    }

    const fn overlaps(self, other: Self) -> bool {
        other.from.wrapping_sub(self.from) < self.length || self.from.wrapping_sub(other.from) < other.length
    }
}

impl Doubted {
    fn of(piece: &Piece<'_>) -> Self {
        let Piece { sequence, missing, starts_message, last, chained, .. } = *piece;
        Self { bytes: piece.bytes.to_vec(), sequence, missing, starts_message, last, chained }
    }

    fn place(&self) -> Place {
        Place::of(&self.piece())
    }

    /// Whether a segment without a wrong checksum, at this place, lies behind it or contradicts it.
    fn yields_no_more(&self, place: Place) -> bool {
        self.place().is_before(place) || self.place().overlaps(place)
    }

    fn piece(&self) -> Piece<'_> {
        let Self { ref bytes, sequence, missing, starts_message, last, chained } = *self;
        Piece { sequence, bytes, missing, starts_message, last, chained, checksum: Checksum::Wrong }
    }
}

impl Checksums {
    /// Takes a piece and calls `read` with those that are to be read now. A piece with a wrong checksum waits until the stream goes on
    /// behind it, and is dropped if a right one of the same place comes; so is one that comes behind such a one. Where no checksum was
    /// right before, as in captures whose addresses were replaced, wrong ones are read like any other.
    pub(super) fn pass(&mut self, piece: Piece<'_>, mut read: impl FnMut(Piece<'_>)) {
        let place = Place::of(&piece);
        if piece.checksum == Checksum::Right {
            self.right = Some(place);
            self.doubted.retain(|doubted| !doubted.place().overlaps(place));
        }
        if let Some(right) = self.right
            && piece.checksum == Checksum::Wrong
        {
            if !right.overlaps(place) {
                if self.doubted.len() >= MAX_DOUBTED {
                    read(self.doubted.remove(0).piece());
                }
                self.doubted.push(Doubted::of(&piece));
            }
            return;
        }
        for passed in self.doubted.extract_if(.., |doubted| doubted.yields_no_more(place)) {
            read(passed.piece());
        }
        read(piece);
    }

    /// Calls `read` with the pieces that still wait.
    pub(super) fn finish(&mut self, mut read: impl FnMut(Piece<'_>)) {
        for doubted in self.doubted.drain(..) {
            read(doubted.piece());
        }
    }
}
