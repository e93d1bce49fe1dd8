//! Pieces of payload to facts: the messages of one conversation, joined and read.

use sensor_common::{
    payload::{MAX_PIECE_LEN, PieceKind},
    slot::Side,
};

use crate::{
    decode::Piece,
    dissect::{
        Conversation, Facts, FingerprintKey, Framing, Sender, dcerpc,
        stream::{self, Stream},
    },
};

/// Reads what a conversation says.
#[derive(Debug)]
pub(super) struct Reader {
    framing: Framing,
    conversation: Conversation,
    streams: [Stream; 2],
    /// By side: sequence numbers of the first byte that was told, and of the byte after the last.
    told: [Option<(u32, u32)>; 2],
    /// Bytes that were read, of both sides.
    read: u64,
}

/// A piece that begins so many bytes before the first that was told came late, and is not gigabytes ahead.
const LATE: u32 = 1 << 20;

impl Reader {
    /// A reader for a connection of which this is the first piece. Datagrams need none: each is read by itself.
    pub(super) fn for_piece(piece: &Piece<'_>, key: FingerprintKey) -> Self {
        let framing = if piece.kind == PieceKind::Rpc { Framing::DceRpc } else { Framing::NetBios };
        Self {
            framing,
            conversation: Conversation::new(key, framing),
            streams: [Stream::new(framing), Stream::new(framing)],
            told: [None; 2],
            read: 0,
        }
    }

    /// Reads one more piece; tells whether it brought new facts. `client` is the side that is thought to be the client, for
    /// messages that do not say themselves who sent them.
    pub(super) fn piece(&mut self, piece: &Piece<'_>, client: Side) -> bool {
        let side = piece.side as usize;
        let end = piece.sequence.wrapping_add(piece.bytes.len() as u32);
        self.read += piece.bytes.len() as u64;
        self.told[side] = Some(match self.told[side] {
            Some((first, last))
                if end.wrapping_sub(first) < last.wrapping_sub(first) || first.wrapping_sub(end) < LATE =>
            {
                (first, last)
            }
            Some((first, _)) => (first, end),
            None => (piece.sequence, end),
        });
        let joined = self.streams[side].piece(stream::Piece {
            sequence: piece.sequence,
            bytes: piece.bytes,
            missing: 0,
            starts_message: piece.kind != PieceKind::Continued,
            last: piece.bytes.len() >= piece.wanted as usize || piece.bytes.len() == MAX_PIECE_LEN,
        });
        let thought = if piece.side == client { Sender::Client } else { Sender::Server };
        let mut new = false;
        for message in joined {
            let from = self.sender(&message.bytes).unwrap_or(thought);
            new |= !self.conversation.message(from, &message.bytes).new.is_empty();
        }
        new
    }

    /// Who sent a message, by what it says itself: the flag of a response (MS-SMB2 2.2.1.2, MS-CIFS 2.2.3.1), the type of a
    /// session packet (RFC 1002 4.3.1) or of a DCE-RPC unit.
    fn sender(&self, message: &[u8]) -> Option<Sender> {
        let response = match (self.framing, message) {
            (Framing::DceRpc, _) => !dcerpc::is_clients(message)?,
            (_, [0x81, ..]) => false,
            (_, [0x82..=0x84, ..]) => true,
            (_, [0, _, _, _, 0xFE, b'S', b'M', b'B', ..]) => message.get(20)? & 1 != 0,
            (_, [0, _, _, _, 0xFF, b'S', b'M', b'B', ..]) => message.get(13)? & 0x80 != 0,
            _ => return None,
        };
        Some(if response { Sender::Server } else { Sender::Client })
    }

    /// What is known.
    pub(super) const fn facts(&self) -> &Facts {
        self.conversation.facts()
    }

    /// Bytes of payload that were read, of both sides.
    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    /// Bytes of each side's stream up to the end of what was told.
    pub(super) fn position(&self) -> [u64; 2] {
        self.told.map(|told| told.map_or(0, |(first, last)| u64::from(last.wrapping_sub(first))))
    }
}
