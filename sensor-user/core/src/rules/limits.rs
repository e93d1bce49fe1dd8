//! The limits of rules, with their defaults.

use std::time::Duration;

use super::outbound_volume::VolumeLimits;

/// When many targets are a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepLimits {
    /// Distinct targets of one client.
    pub targets: usize,
    /// Time after its last packet for which a new one continues the incident of a client that is closed.
    pub window: Duration,
}

/// When refused log-ons are guessing, and when they are spraying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogonLimits {
    /// Refused log-ons between two hosts that make guessing.
    pub refused: u64,
    /// Accounts that make spraying, if each was tried only a few times.
    pub accounts: usize,
    /// Tries of one account that still count as a few.
    pub tries: u64,
}

/// Limits of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Volume that may leave the internal networks without a finding.
    pub volume: VolumeLimits,
    /// When many targets are a sweep.
    pub sweep: SweepLimits,
    /// When refused log-ons are an attack.
    pub logons: LogonLimits,
    /// New incidents of one rule in five minutes before further ones are only counted.
    pub incidents_per_window: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            volume: VolumeLimits::default(),
            sweep: SweepLimits { targets: 20, window: Duration::from_secs(86_400) },
            logons: LogonLimits { refused: 5, accounts: 5, tries: 3 },
            incidents_per_window: 100,
        }
    }
}
