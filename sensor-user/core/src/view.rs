//! A connection as rules, incidents and documents see it: plain data, independent of the table that it comes from.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use sensor_dissect::{Facts, facts::Datagrams, quic::ClientHello};
use serde::{Deserialize, Serialize};

pub use crate::record::Content;
use crate::{
    address::{Direction, FiveTuple},
    level::EvidenceLevel,
    process::Process,
    record::Counts,
    service::Service,
    time::Timestamp,
};

/// The protocol of a service without SMB, if its first bytes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtherProtocol {
    /// HTTP (RFC 9112).
    Http,
    /// TLS (RFC 8446).
    Tls,
}

impl OtherProtocol {
    /// ECS `network.protocol`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tls => "tls",
        }
    }
}

/// A connection and everything known about it at one moment.
#[derive(Clone, Copy, Debug)]
pub struct FlowView<'a> {
    /// The connection.
    pub tuple: FiveTuple,
    /// The direction in which it crosses the border.
    pub direction: Direction,
    /// The service of the server's port.
    pub service: Service,
    /// Whether that port is watched; if not, SMB or WebDAV was recognised by its messages.
    pub usual_port: bool,
    /// Client; if the roles are unknown, the sender of the first packet.
    pub client: SocketAddr,
    /// Server.
    pub server: SocketAddr,
    /// Whether the client is known, from the SYN or from a request. If not, nothing is concluded.
    pub roles_known: bool,
    /// The evidence level.
    pub level: EvidenceLevel,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// Its time to be answered is over, or it is over.
    pub settled: bool,
    /// It is over.
    pub closed: bool,
    /// SMB messages were seen, of either side.
    pub smb_spoken: bool,
    /// Messages of SMB 3 were encrypted.
    pub encrypted: bool,
    /// The sensor joined late: it may have missed the set-up and the log-on.
    pub joined_late: bool,
    /// Packets of one direction alone were seen, in a connection that must have had two.
    pub one_sided: bool,
    /// Segments had different bytes at the same place of the stream: one of them is forged or damaged.
    pub conflicting: bool,
    /// Every message that the sensor wanted is known to have been read.
    pub complete: bool,
    /// Commands that carry content.
    pub content: Content,
    /// Another protocol, if the first bytes show it.
    pub other_protocol: Option<OtherProtocol>,
    /// If that is TLS: the server that its client asked for.
    pub tls_server: Option<&'a Arc<str>>,
    /// The external end is on a threat list.
    pub threat: bool,
    /// Enforcement dropped a packet that would have opened it.
    pub dropped: bool,
    /// Packets, bytes and payload of each side: `[internal, external]`.
    pub counts: Counts,
    /// The facts of its messages.
    pub facts: Option<&'a Arc<Facts>>,
    /// The facts of its datagrams.
    pub datagrams: Option<&'a Arc<Datagrams>>,
    /// The ClientHello with which its client offered SMB over QUIC.
    pub quic: Option<&'a Arc<ClientHello>>,
    /// The process on this machine that opened it.
    pub process: Option<&'a Arc<Process>>,
    /// VLAN identifier.
    pub vlan: Option<u16>,
    /// Index of the interface that saw most of it, if any did.
    pub ifindex: Option<u32>,
    /// Evidence marks of the kernel, see [`sensor_common::slot::mark`].
    pub marks: u16,
    /// Records that the ring had lost when it was first seen.
    pub lost_before: u64,
}

impl FlowView<'_> {
    /// The internal address.
    #[must_use]
    pub const fn internal(&self) -> IpAddr {
        self.tuple.local.ip()
    }

    /// The external address.
    #[must_use]
    pub const fn external(&self) -> IpAddr {
        self.tuple.remote.ip()
    }

    /// Whether a packet of the server was seen. Where its direction does not pass the sensor, nothing says that it answered.
    #[must_use]
    pub const fn server_seen(&self) -> bool {
        let server = match self.direction {
            Direction::Outbound => 1,
            Direction::Inbound => 0,
        };
        self.counts.packets[server] > 0
    }

    /// Whether the server showed by an answer that it serves WebDAV.
    #[must_use]
    pub fn serves_webdav(&self) -> bool {
        self.service == Service::WebDav && self.facts.is_some_and(|facts| facts.webdav.evidence.served)
    }

    /// Whether it did so without a log-on.
    #[must_use]
    pub fn serves_webdav_to_anybody(&self) -> bool {
        self.serves_webdav() && self.facts.is_some_and(|facts| facts.webdav.evidence.anonymous)
    }

    /// Payload that left the internal networks, bytes of the stream.
    #[must_use]
    pub const fn bytes_left(&self) -> u64 {
        self.counts.payload[0]
    }

    /// Payload that came into the internal networks.
    #[must_use]
    pub const fn bytes_came(&self) -> u64 {
        self.counts.payload[1]
    }
}
