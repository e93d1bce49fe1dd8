//! The ClientHello of TLS 1.3 (RFC 8446 4.1.2): which protocols it offers, and which server it asks for.

use rustls::server::{Accepted, Acceptor};
use serde::{Deserialize, Serialize};

use super::packet::Version;
use crate::{
    client_hello::{CLIENT_HELLO, HEADER_LEN, SERVER_NAME, extensions_at, number},
    text,
};

/// The name of SMB in ALPN (MS-SMB2 2.1).
pub const SMB: &str = "smb";

/// Most protocols of an offer that are kept.
const MAX_PROTOCOLS: usize = 16;

/// What a client offers and asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientHello {
    /// The version of QUIC.
    pub version: Version,
    /// The server that it asks for (RFC 6066 3).
    pub server_name: Option<String>,
    /// The protocols that it offers (RFC 7301 3.1), the first of many; SMB before others.
    pub protocols: Vec<String>,
}

impl ClientHello {
    /// Whether it offers SMB.
    #[must_use]
    pub fn offers_smb(&self) -> bool {
        self.protocols.iter().any(|protocol| protocol == SMB)
    }
}

/// The handshake does not begin with a ClientHello that can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoHello;

/// Reads a ClientHello; `None` if it is not whole yet.
pub(super) fn read(handshake: &[u8], version: Version) -> Result<Option<ClientHello>, NoHello> {
    let [kind, a, b, c, ..] = *handshake else {
        return if handshake.first().is_none_or(|kind| *kind == CLIENT_HELLO) {
            Ok(None)
        } else {
            Err(NoHello)
        };
    };
    if kind != CLIENT_HELLO {
        return Err(NoHello);
    }
    let length = HEADER_LEN + u32::from_be_bytes([0, a, b, c]) as usize;
    let Some(message) = handshake.get(..length) else { return Ok(None) };
    // A name of a server that the reader does not take must not hide the rest.
    let accepted = accepted(message).or_else(|| accepted(&without_server_name(message)?)).ok_or(NoHello)?;
    let hello = accepted.client_hello();
    // A long offer must not hide SMB behind its bound.
    let (smb, others): (Vec<_>, Vec<_>) =
        hello.alpn().into_iter().flatten().partition(|name| *name == SMB.as_bytes());
    let protocols = smb.into_iter().take(1).chain(others).take(MAX_PROTOCOLS);
    Ok(Some(ClientHello {
        version,
        server_name: hello.server_name().map(|name| text::oem(name.as_bytes())),
        protocols: protocols.map(text::oem).collect(),
    }))
}

/// Reads a message.
fn accepted(message: &[u8]) -> Option<Accepted> {
    // The reader wants the record in which TLS over TCP would carry the message (RFC 8446 5.1).
    let [high, low] = u16::try_from(message.len()).ok()?.to_be_bytes();
    let record = [&[22, 3, 1, high, low], message].concat();
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut record.as_slice()).ok()?;
    acceptor.accept().ok()?
}

/// The message without the extension that names the server; `None` if it is no ClientHello with extensions.
fn without_server_name(message: &[u8]) -> Option<Vec<u8>> {
    let extensions_at = extensions_at(message)?;
    let begin = extensions_at + 2;
    let mut rest = message.get(begin..begin + usize::from(number(message, extensions_at)?))?;
    let mut kept = Vec::new();
    while let Some(kind) = number(rest, 0) {
        let whole = 4 + usize::from(number(rest, 2)?);
        if kind != SERVER_NAME {
            kept.extend_from_slice(rest.get(..whole)?);
        }
        rest = rest.get(whole..)?;
    }
    let body =
        [&message[HEADER_LEN..extensions_at], &u16::try_from(kept.len()).ok()?.to_be_bytes(), &kept].concat();
    let [_, a, b, c] = u32::try_from(body.len()).ok()?.to_be_bytes();
    Some([&[CLIENT_HELLO, a, b, c], body.as_slice()].concat())
}
