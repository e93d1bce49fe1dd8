//! The limits that rules go by, with the values that hold without a configuration.

use std::time::Duration;

use super::departure::DepartureLimits;

/// When trying many is a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepLimits {
    /// Distinct targets of one client.
    pub targets: usize,
    /// Time within which they are tried.
    pub window: Duration,
}

/// When refused log-ons are guessing, and when they are spraying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogonLimits {
    /// Refused log-ons between two hosts from which on they are guessing.
    pub refused: u64,
    /// Accounts from which on they are spraying, if each was tried only a few times.
    pub accounts: usize,
    /// Tries of one account up to which that is few.
    pub tries: u64,
}

/// Limits that rules go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Volume that may leave the internal networks before that is a finding of its own.
    pub departures: DepartureLimits,
    /// When trying many is a sweep.
    pub sweep: SweepLimits,
    /// When refused log-ons are an attack.
    pub logons: LogonLimits,
    /// New incidents of one rule that are opened in five minutes, before the rest is only counted.
    pub incidents_per_window: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            departures: DepartureLimits::default(),
            sweep: SweepLimits { targets: 20, window: Duration::from_secs(86_400) },
            logons: LogonLimits { refused: 5, accounts: 5, tries: 3 },
            incidents_per_window: 100,
        }
    }
}
