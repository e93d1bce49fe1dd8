//! The identity of a connection: its five-tuple, and the interface that it passes.

use std::net::SocketAddr;

use sensor_common::slot::Side;
use serde::{Deserialize, Serialize};

/// The five-tuple of a connection, internal end first, whatever interfaces it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FiveTuple {
    /// IP protocol number.
    pub transport: u8,
    /// Internal end.
    pub local: SocketAddr,
    /// External end.
    pub remote: SocketAddr,
}

impl FiveTuple {
    /// The end on `side`.
    #[must_use]
    pub const fn end(&self, side: Side) -> SocketAddr {
        match side {
            Side::Local => self.local,
            Side::Remote => self.remote,
        }
    }
}

/// A five-tuple on one interface: what the kernel counts separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId {
    /// The connection.
    pub tuple: FiveTuple,
    /// Index of the interface that it passes.
    pub ifindex: u32,
}

/// The direction in which a connection crosses the border, by its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// An internal client and an external server.
    Outbound,
    /// An external client and an internal server.
    Inbound,
}

impl Direction {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Outbound, Self::Inbound];

    /// ECS `network.direction`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}
