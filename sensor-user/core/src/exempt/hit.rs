//! What an exemption has covered.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What an exemption has covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Connections that the agent found exempt by it.
    pub connections: u64,
    /// Packets that the kernel passed by it.
    pub packets: u64,
    /// The last of them.
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
