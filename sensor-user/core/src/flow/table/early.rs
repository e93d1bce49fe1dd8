//! Pieces of payload that are read before the record of their flow.

use sensor_common::{payload::PieceKind, slot::Side};

use crate::{
    decode::{FlowKey, Piece},
    flow::Conversation,
};

/// A piece whose flow is not known yet.
pub(super) struct EarlyPiece {
    pub(super) ends: Conversation,
    ifindex: u32,
    side: Side,
    kind: PieceKind,
    sequence: u32,
    wanted: u32,
    at: u32,
    bytes: Vec<u8>,
}

impl EarlyPiece {
    pub(super) fn of(ends: Conversation, piece: &Piece<'_>) -> Self {
        Self {
            ends,
            ifindex: piece.key.ifindex,
            side: piece.side,
            kind: piece.kind,
            sequence: piece.sequence,
            wanted: piece.wanted,
            at: piece.at,
            bytes: piece.bytes.to_vec(),
        }
    }

    pub(super) fn piece(&self) -> Piece<'_> {
        Piece {
            key: FlowKey {
                transport: self.ends.transport,
                local: self.ends.local,
                remote: self.ends.remote,
                ifindex: self.ifindex,
            },
            side: self.side,
            kind: self.kind,
            sequence: self.sequence,
            wanted: self.wanted,
            at: self.at,
            bytes: &self.bytes,
        }
    }
}
