//! Pieces of payload that arrive before the record of their flow, which another CPU wrote.

use std::time::Duration;

use sensor_common::{payload::PieceKind, slot::Side};
use sensor_dissect::stream::Checksum;

use crate::{
    address::{FiveTuple, FlowId},
    record::Piece,
    time::Timestamp,
};

/// Most pieces that wait for their flow.
const MAX_EARLY: usize = 256;

/// Time that they wait. The record of a flow is written before any of its pieces, and read within a sweep.
const WAIT: Duration = Duration::from_secs(1);

/// Pieces whose flow is not known yet.
#[derive(Debug, Default)]
pub(super) struct EarlyPieces {
    pieces: Vec<EarlyPiece>,
}

/// A piece whose flow is not known yet.
#[derive(Debug)]
pub(super) struct EarlyPiece {
    id: FlowId,
    side: Side,
    kind: PieceKind,
    sequence: u32,
    wanted: u32,
    at: u32,
    bytes: Vec<u8>,
    checksum: Checksum,
    since: Timestamp,
}

impl EarlyPieces {
    /// Keeps a piece if it fits; returns whether it did.
    pub(super) fn push(&mut self, piece: &Piece<'_>, now: Timestamp) -> bool {
        let fits = self.pieces.len() < MAX_EARLY;
        if fits {
            self.pieces.push(EarlyPiece {
                id: piece.id,
                side: piece.side,
                kind: piece.kind,
                sequence: piece.sequence,
                wanted: piece.wanted,
                at: piece.at,
                bytes: piece.bytes.to_vec(),
                checksum: piece.checksum,
                since: now,
            });
        }
        fits
    }

    /// Takes out the pieces of a flow that has arrived.
    pub(super) fn take(&mut self, tuple: &FiveTuple) -> Vec<EarlyPiece> {
        if self.pieces.iter().all(|piece| piece.id.tuple != *tuple) {
            return Vec::new();
        }
        let (taken, others): (Vec<_>, _) =
            std::mem::take(&mut self.pieces).into_iter().partition(|piece| piece.id.tuple == *tuple);
        self.pieces = others;
        taken
    }

    /// Drops pieces whose flow did not arrive: its record was lost, or it is not tracked. Returns their number.
    pub(super) fn expire(&mut self, now: Timestamp) -> u64 {
        let before = self.pieces.len();
        self.pieces.retain(|piece| piece.since.distance(now) < WAIT);
        (before - self.pieces.len()) as u64
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
    }
}

impl EarlyPiece {
    pub(super) fn piece(&self) -> Piece<'_> {
        Piece {
            id: self.id,
            side: self.side,
            kind: self.kind,
            sequence: self.sequence,
            wanted: self.wanted,
            at: self.at,
            bytes: &self.bytes,
            checksum: self.checksum,
        }
    }
}
