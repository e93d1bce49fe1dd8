//! Fields of a ClientHello: the requested server name in TLS, and the offer over QUIC.

use std::sync::Arc;

use schemars::JsonSchema;
use sensor_dissect::quic::ClientHello;
use serde::Serialize;

/// ECS `tls`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    client: TlsClient,
}

/// ECS `tls.client`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TlsClient {
    server_name: String,
}

impl Tls {
    /// The first server that was asked for by name: over QUIC, or else in TLS over TCP.
    pub(super) fn of<'a>(
        quic: impl IntoIterator<Item = &'a ClientHello>,
        tcp: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Option<Self> {
        let quic = quic.into_iter().filter_map(|hello| hello.server_name.as_deref());
        let server_name = quic.chain(tcp.into_iter().map(AsRef::as_ref)).next()?.to_owned();
        Some(Self { client: TlsClient { server_name } })
    }
}

/// A ClientHello in QUIC.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuicFields {
    /// The version of QUIC.
    version: u8,
    /// The server that the client asked for.
    server_name: Option<String>,
    /// The protocols that it offered (ALPN), SMB first.
    offered: Vec<String>,
}

impl QuicFields {
    pub(super) fn of(hello: &ClientHello) -> Self {
        Self {
            version: hello.version.number(),
            server_name: hello.server_name.clone(),
            offered: hello.protocols.clone(),
        }
    }
}
