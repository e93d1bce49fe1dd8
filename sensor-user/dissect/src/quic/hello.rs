//! The ClientHello of TLS 1.3 (RFC 8446 4.1.2): which protocols it offers, and which server it asks for.

use rustls::server::{Accepted, Acceptor};
use serde::{Deserialize, Serialize};

use super::packet::Version;
use crate::text;

/// The name of SMB in ALPN (MS-SMB2 2.1).
pub const SMB: &str = "smb";

/// Most protocols of an offer that are kept.
const MAX_PROTOCOLS: usize = 16;

/// Type of a ClientHello (RFC 8446 4).
const CLIENT_HELLO: u8 = 1;

/// Type and length of a handshake message (RFC 8446 4).
const HEADER_LEN: usize = 4;

/// Length of version and random (RFC 8446 4.1.2).
const VERSION_AND_RANDOM_LEN: usize = 2 + 32;

/// Number of the extension that names the server (RFC 6066 3).
const SERVER_NAME: u16 = 0;

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
    let length_at =
        |at: usize| Some(usize::from(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?])));
    let session_at = HEADER_LEN + VERSION_AND_RANDOM_LEN;
    let suites_at = session_at + 1 + usize::from(*message.get(session_at)?);
    let compression_at = suites_at + 2 + length_at(suites_at)?;
    let extensions_at = compression_at + 1 + usize::from(*message.get(compression_at)?);
    let begin = extensions_at + 2;
    let mut rest = message.get(begin..begin + length_at(extensions_at)?)?;
    let mut kept = Vec::new();
    while let [high, low, length @ ..] = rest {
        let whole = 4 + usize::from(u16::from_be_bytes([*length.first()?, *length.get(1)?]));
        if u16::from_be_bytes([*high, *low]) != SERVER_NAME {
            kept.extend_from_slice(rest.get(..whole)?);
        }
        rest = rest.get(whole..)?;
    }
    let body =
        [&message[HEADER_LEN..extensions_at], &u16::try_from(kept.len()).ok()?.to_be_bytes(), &kept].concat();
    let [_, a, b, c] = u32::try_from(body.len()).ok()?.to_be_bytes();
    Some([&[CLIENT_HELLO, a, b, c], body.as_slice()].concat())
}
