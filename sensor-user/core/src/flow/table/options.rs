//! How the tracker works.

use crate::{config::ServicePorts, dissect::FingerprintKey, flow::DepartureLimits, kernel::ticks::TickClock};

/// How the tracker works.
#[derive(Clone, Debug)]
pub struct TrackerOptions {
    /// Watched ports.
    pub services: ServicePorts,
    /// Kernel ticks to time.
    pub clock: TickClock,
    /// Seconds that an attempt is given to be answered.
    pub attempt_settle: u64,
    /// Seconds after which an untouched flow is over.
    pub flow_idle: u64,
    /// Conversations held at a time.
    pub capacity: usize,
    /// What may leave the internal networks before that is news.
    pub departures: DepartureLimits,
    /// Key of the fingerprints of credentials.
    pub fingerprint_key: FingerprintKey,
}
