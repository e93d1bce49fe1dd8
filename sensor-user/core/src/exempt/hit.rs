//! The hits of an exemption.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The hits of an exemption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Connections that the agent exempted by it.
    pub connections: u64,
    /// Packets that the kernel let pass by it.
    pub packets: u64,
    /// Time of the last hit.
    pub last: Timestamp,
}

impl Hit {
    pub(super) fn connection(&mut self, now: Timestamp) {
        self.connections += 1;
        self.last = self.last.max(now);
    }

    pub(super) fn packets(&mut self, packets: u64, now: Timestamp) {
        self.packets += packets;
        self.last = self.last.max(now);
    }
}
