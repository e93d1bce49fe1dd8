//! Segments with a wrong checksum, which no receiver takes: they yield to right ones.

use super::Piece;

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
    /// A segment with a wrong one, until another segment shows whether it yields.
    doubted: Option<Doubted>,
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

    const fn overlaps(self, other: Self) -> bool {
        other.from.wrapping_sub(self.from) < self.length || self.from.wrapping_sub(other.from) < other.length
    }
}

impl Doubted {
    fn of(piece: &Piece<'_>) -> Self {
        let Piece { sequence, missing, starts_message, last, chained, .. } = *piece;
        Self { bytes: piece.bytes.to_vec(), sequence, missing, starts_message, last, chained }
    }

    fn piece(&self) -> Piece<'_> {
        let Self { ref bytes, sequence, missing, starts_message, last, chained } = *self;
        Piece { sequence, bytes, missing, starts_message, last, chained, checksum: Checksum::Wrong }
    }
}

impl Checksums {
    /// Takes a piece and calls `read` with those that are to be read now. A piece with a wrong checksum waits for the next one, and is
    /// dropped if that is a right one of the same place; so is one that comes behind such a one. Where no checksum was right before,
    /// as in captures whose addresses were replaced, wrong ones are read like any other.
    pub(super) fn pass(&mut self, piece: Piece<'_>, mut read: impl FnMut(Piece<'_>)) {
        let place = Place::of(&piece);
        let is_right = piece.checksum == Checksum::Right;
        if let Some(doubted) = self.doubted.take()
            && !(is_right && Place::of(&doubted.piece()).overlaps(place))
        {
            read(doubted.piece());
        }
        if is_right {
            self.right = Some(place);
        }
        match self.right {
            Some(right) if piece.checksum == Checksum::Wrong => {
                if !right.overlaps(place) {
                    self.doubted = Some(Doubted::of(&piece));
                }
            }
            _ => read(piece),
        }
    }

    /// Calls `read` with the piece that still waits.
    pub(super) fn finish(&mut self, read: impl FnOnce(Piece<'_>)) {
        if let Some(doubted) = self.doubted.take() {
            read(doubted.piece());
        }
    }
}
