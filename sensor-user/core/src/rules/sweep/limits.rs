//! When trying many is a sweep.

/// When trying many is a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepLimits {
    /// Distinct targets of one client.
    pub targets: usize,
    /// Seconds within which they are tried, each when its flow began; and without a further try after which the sweep is over.
    pub window: u64,
}

impl Default for SweepLimits {
    fn default() -> Self {
        Self { targets: 20, window: 300 }
    }
}
