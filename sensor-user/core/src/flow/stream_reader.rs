//! From pieces of payload to facts: the messages of one TCP connection, reassembled and read.

use sensor_common::{
    path::MAX_PIECES,
    payload::{MAX_PIECE_LEN, PieceKind},
    slot::Side,
};
use sensor_dissect::{
    Dissector, Facts, FingerprintKey, Framing, Problem, Sender, dcerpc, sender,
    stream::{self, Joined, Stream},
};

use crate::record::Piece;

/// The side that is taken for the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct PresumedClient {
    pub(super) side: Side,
    /// The handshake showed it.
    pub(super) certain: bool,
}

/// Reads the messages of a connection.
#[derive(Debug)]
pub(super) struct StreamReader {
    framing: Framing,
    dissector: Dissector,
    streams: [Stream; 2],
    /// Sides of which a message was read.
    spoken: [bool; 2],
    /// Whether messages of each side show that it is the client, and that it is the server.
    shown: [[bool; 2]; 2],
    /// The side that sent the first request or received the first response.
    client: Option<Side>,
    /// The first message that shows its sender came from the side that the handshake shows.
    handshake_agrees: Option<bool>,
    pieces: u32,
    /// A head of HTTP, or the rest of a chain of commands, could not be read.
    unread: bool,
}

impl StreamReader {
    /// A reader for a connection that begins with this piece; `facts` are those of an earlier reader. Datagrams
    /// need no reader: each is read by itself.
    pub(super) fn for_piece(piece: &Piece<'_>, key: FingerprintKey, facts: Facts) -> Self {
        let framing = match piece.kind {
            PieceKind::Rpc => Framing::DceRpc,
            PieceKind::HttpHead => Framing::Http,
            _ => Framing::NetBios,
        };
        Self {
            framing,
            dissector: Dissector::resume(key, framing, facts),
            streams: [Stream::new(framing), Stream::new(framing)],
            spoken: [false; 2],
            shown: [[false; 2]; 2],
            client: None,
            handshake_agrees: None,
            pieces: 0,
            unread: false,
        }
    }

    /// Whether a piece is of the protocol that it reads. A connection may begin as HTTP and go on as SMB.
    pub(super) fn fits(&self, piece: &Piece<'_>) -> bool {
        match piece.kind {
            PieceKind::HttpHead => self.framing == Framing::Http,
            PieceKind::Message | PieceKind::Rpc => self.framing != Framing::Http,
            _ => true,
        }
    }

    /// Whether it has read something that later messages depend on, or a part of a message.
    pub(super) fn is_needed(&self) -> bool {
        self.framing != Framing::Http
            || self.facts().webdav.evidence.any()
            // What an external server says that it serves is nothing.
            || self.client == Some(Side::Remote) && self.dissector.awaits_http()
            || self.streams.iter().any(|stream| stream.held() > 0)
    }

    /// Whether it reads HTTP.
    pub(super) fn is_http(&self) -> bool {
        self.framing == Framing::Http
    }

    /// Reads one more piece; returns whether it adds facts.
    pub(super) fn read(&mut self, piece: &Piece<'_>, presumed: PresumedClient) -> bool {
        self.pieces = self.pieces.saturating_add(1);
        let messages = self.streams[piece.side as usize].piece(stream::Piece {
            sequence: piece.sequence,
            bytes: piece.bytes,
            missing: 0,
            starts_message: piece.kind != PieceKind::Continued,
            checksum: piece.checksum,
            chained: if piece.kind == PieceKind::Chained { piece.wanted } else { 0 },
            last: piece.bytes.len() >= piece.wanted as usize || piece.bytes.len() == MAX_PIECE_LEN,
        });
        self.take(piece.side, messages, presumed)
    }

    /// Reads what is left when the connection ended; returns whether it adds facts.
    pub(super) fn finish(&mut self, presumed: PresumedClient) -> bool {
        [presumed.side, presumed.side.peer()].into_iter().fold(false, |new, side| {
            let messages = self.streams[side as usize].finish();
            self.take(side, messages, presumed) | new
        })
    }

    /// Takes messages of a side; returns whether they add facts.
    fn take(&mut self, side: Side, messages: Vec<Joined>, presumed: PresumedClient) -> bool {
        let assumed = if side == presumed.side { Sender::Client } else { Sender::Server };
        if self.has_conflicts() {
            self.dissector.contradict();
        }
        let mut new = false;
        for message in messages {
            let shown = sender(self.framing, &message.bytes);
            if self.is_spoken(&message.bytes) {
                self.spoken[side as usize] = true;
                if let Some(shown) = shown {
                    self.shown[side as usize][shown as usize] = true;
                }
            }
            let sender = self.sender(shown, assumed, presumed.certain);
            if let Some(sender) = sender {
                let client = if sender == Sender::Client { side } else { side.peer() };
                self.client.get_or_insert(client);
            }
            let reading = self.dissector.message(sender.unwrap_or(assumed), &message.bytes);
            new |= !reading.new.is_empty();
            self.unread |= reading.problem.is_some_and(Problem::leaves_rest);
        }
        new
    }

    /// The sender of a message that shows this one. Where the handshake shows the client, the side counts more than what a message claims
    /// of itself, unless the first message contradicts the handshake.
    fn sender(&mut self, shown: Option<Sender>, assumed: Sender, certain: bool) -> Option<Sender> {
        if certain && let Some(shown) = shown {
            self.handshake_agrees.get_or_insert(shown == assumed);
        }
        if certain && self.handshake_agrees == Some(true) { Some(assumed) } else { shown }
    }

    /// Whether a message is SMB or DCE-RPC, and not only the NetBIOS session around it.
    fn is_spoken(&self, message: &[u8]) -> bool {
        match self.framing {
            Framing::DceRpc => dcerpc::is_clients(message).is_some(),
            Framing::Http => false,
            Framing::NetBios => matches!(message, [0, _, _, _, 0xFC..=0xFF, b'S', b'M', b'B', ..]),
        }
    }

    /// The facts so far.
    pub(super) const fn facts(&self) -> &Facts {
        self.dissector.facts()
    }

    /// Sides of which a message was read.
    pub(super) const fn spoken(&self) -> [bool; 2] {
        self.spoken
    }

    /// Whether a request of one side and a response of the other were read.
    pub(super) const fn is_answered(&self) -> bool {
        let [[local_asks, local_answers], [remote_asks, remote_answers]] = self.shown;
        local_asks && remote_answers || remote_asks && local_answers
    }

    /// The client, as the first request or response shows it.
    pub(super) const fn client(&self) -> Option<Side> {
        self.client
    }

    /// Whether segments had different bytes at the same place.
    pub(super) const fn has_conflicts(&self) -> bool {
        self.streams[0].conflicts() > 0 || self.streams[1].conflicts() > 0
    }

    /// Whether bytes are missing between the pieces, or the kernel reached its limit of pieces for one flow.
    pub(super) const fn has_gaps(&self) -> bool {
        self.unread || self.pieces >= MAX_PIECES || self.streams[0].gaps() > 0 || self.streams[1].gaps() > 0
    }
}
