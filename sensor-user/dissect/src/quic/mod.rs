//! The ClientHello in the Initial packets of a QUIC client (RFC 9000 17.2.2, RFC 9001 4 and 5, RFC 9369).
//!
//! Takes the datagrams of one client, in any order. Initial packets are protected with keys that follow from the connection ID on
//! the wire, so everybody on the path can read them. The packets that follow them are not readable.

mod crypto_stream;
mod hello;
mod packet;

use rustls::{
    Side,
    quic::{DirectionalKeys, Keys},
};

use self::{crypto_stream::CryptoStream, packet::Packet};
pub use self::{
    hello::{ClientHello, SMB},
    packet::Version,
};

/// Most datagrams of which the ClientHello of one client is put together. With the largest post-quantum key shares it takes three.
pub const MAX_DATAGRAMS: u8 = 16;

/// The result of a datagram.
#[derive(Debug)]
pub enum Reading {
    /// The ClientHello is whole.
    Hello(ClientHello),
    /// More of it is to come.
    Unfinished,
    /// There is no part of a ClientHello in it: it comes later in the connection, or cannot be read.
    Nothing,
}

/// Puts the ClientHello of one client together.
#[derive(Default)]
pub struct ClientInitials {
    connection: Option<Connection>,
    datagrams: u8,
}

/// A connection ID with the keys that follow from it, and what was read with them.
struct Connection {
    version: Version,
    id: Vec<u8>,
    keys: DirectionalKeys,
    crypto: CryptoStream,
}

impl Connection {
    fn new(packet: &Packet<'_>) -> Option<Self> {
        let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13()?.quic_suite()?;
        let version = packet.version;
        let Keys { remote, .. } = suite.keys(packet.destination_id, Side::Server, version.into());
        Some(Self {
            version,
            id: packet.destination_id.to_vec(),
            keys: remote,
            crypto: CryptoStream::default(),
        })
    }

    /// Takes the CRYPTO frames of a packet; says whether it could be decrypted.
    fn read(&mut self, packet: &Packet<'_>) -> bool {
        let Some(frames) = packet.decrypt(&self.keys) else { return false };
        self.crypto.read(&frames);
        true
    }
}

impl ClientInitials {
    /// Reads a datagram.
    pub fn read(&mut self, datagram: &[u8]) -> Reading {
        self.datagrams = self.datagrams.saturating_add(1);
        if self.datagrams > MAX_DATAGRAMS {
            return Reading::Nothing;
        }
        let mut decrypted = false;
        for packet in packet::initials(datagram) {
            decrypted |= self.packet(&packet);
        }
        let Some(connection) = self.connection.as_ref().filter(|_| decrypted) else {
            return Reading::Nothing;
        };
        match hello::read(connection.crypto.bytes(), connection.version) {
            Ok(Some(hello)) => Reading::Hello(hello),
            Ok(None) if connection.crypto.is_full() => Reading::Nothing,
            Ok(None) => Reading::Unfinished,
            Err(hello::NoHello) => Reading::Nothing,
        }
    }

    /// Later packets of a client carry the ID that the server chose, and have the keys of the first one. Behind a Retry, the keys
    /// follow from the new ID (RFC 9001 5.2), and the ClientHello is sent again.
    fn packet(&mut self, packet: &Packet<'_>) -> bool {
        if let Some(connection) = &mut self.connection
            && connection.version == packet.version
            && connection.read(packet)
        {
            return true;
        }
        if self.connection.as_ref().is_some_and(|connection| connection.id == packet.destination_id) {
            return false;
        }
        let Some(mut anew) = Connection::new(packet) else { return false };
        let decrypted = anew.read(packet);
        if decrypted {
            self.connection = Some(anew);
        }
        decrypted
    }
}

impl std::fmt::Debug for ClientInitials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientInitials").field("datagrams", &self.datagrams).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
