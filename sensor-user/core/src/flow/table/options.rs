//! How the table works.

use std::time::Duration;

use sensor_dissect::FingerprintKey;

use crate::{service::ServicePorts, time::TickClock};

/// How the table works.
#[derive(Clone, Debug)]
pub struct FlowTableOptions {
    /// Watched ports.
    pub services: ServicePorts,
    /// Kernel ticks to time.
    pub clock: TickClock,
    /// Time that an attempt is given to be answered.
    pub attempt_settle: Duration,
    /// Time without a packet after which a connection is closed.
    pub flow_idle: Duration,
    /// Connections held at a time, those that are closed and remembered included.
    pub capacity: usize,
    /// Key of the fingerprints of credentials.
    pub fingerprint_key: FingerprintKey,
}
