//! Options of the table.

use std::time::Duration;

use sensor_dissect::FingerprintKey;

use crate::{service::ServicePorts, time::TickClock};

/// Options of the table.
#[derive(Clone, Debug)]
pub struct FlowTableOptions {
    /// Watched ports.
    pub services: ServicePorts,
    /// Conversion of kernel ticks to time.
    pub clock: TickClock,
    /// Time for an attempt to be answered.
    pub attempt_settle: Duration,
    /// Time without a packet after which a connection is closed.
    pub flow_idle: Duration,
    /// Most connections at a time, including closed and remembered ones.
    pub capacity: usize,
    /// Key of the fingerprints of credentials.
    pub fingerprint_key: FingerprintKey,
}
