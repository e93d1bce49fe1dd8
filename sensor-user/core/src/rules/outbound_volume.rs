//! The volume that leaves the internal networks over SMB between two hosts, over all their connections.
//!
//! Takes the bytes that left since the last call, gives an [`ExcessVolume`] if their amount or rate reached a limit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Parts in which a span is counted; the oldest is forgotten at a time.
const PARTS: usize = 10;

/// Time over which a rate is taken.
pub const RATE_WINDOW: Duration = Duration::from_secs(10);

/// How much may leave before that is a finding of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeLimits {
    /// Bytes of payload between two hosts within the window.
    pub bytes: u64,
    /// That window.
    pub window: Duration,
    /// Bytes a second between two hosts, over [`RATE_WINDOW`].
    pub rate: u64,
}

impl Default for VolumeLimits {
    fn default() -> Self {
        Self { bytes: 10 << 20, window: Duration::from_secs(3_600), rate: 256 << 10 }
    }
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Bytes within the window.
    Bytes,
    /// Bytes a second.
    Rate,
}

/// Two hosts between which too much left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcessVolume {
    /// Which limit was reached.
    pub cause: Cause,
    /// Bytes within the window.
    pub bytes: u64,
    /// Bytes a second over the last [`RATE_WINDOW`].
    pub rate: u64,
}

/// The recent outbound volume between two hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundVolume {
    window: Span,
    burst: Span,
}

impl OutboundVolume {
    /// Counts bytes that left until `now`; gives the excess_volume that they make, if a limit is reached.
    pub fn add(&mut self, bytes: u64, now: Timestamp, limits: &VolumeLimits) -> Option<ExcessVolume> {
        let in_window = self.window.add(bytes, now, limits.window);
        let rate = self.burst.add(bytes, now, RATE_WINDOW) / RATE_WINDOW.as_secs();
        let cause = if in_window >= limits.bytes {
            Cause::Bytes
        } else if rate >= limits.rate {
            Cause::Rate
        } else {
            return None;
        };
        Some(ExcessVolume { cause, bytes: in_window, rate })
    }
}

/// A sum over the last span of time, exact to a tenth of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    parts: [u64; PARTS],
    /// Number of the newest part since the epoch.
    newest: i64,
}

impl Span {
    /// Adds, and gives the sum.
    fn add(&mut self, bytes: u64, now: Timestamp, length: Duration) -> u64 {
        let part_length = i64::try_from(length.as_nanos() / PARTS as u128).unwrap_or(i64::MAX).max(1);
        let part = now.unix_nanos() / part_length;
        // A clock that was set back continues in its last part.
        let passed = usize::try_from(part.saturating_sub(self.newest)).unwrap_or(0).min(PARTS);
        self.parts.rotate_right(passed);
        self.parts[..passed].fill(0);
        self.newest = part;
        self.parts[0] = self.parts[0].saturating_add(bytes);
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1 << 20;

    const LIMITS: VolumeLimits =
        VolumeLimits { bytes: 10 * MEBIBYTE, window: Duration::from_secs(3_600), rate: MEBIBYTE };

    fn second(number: i64) -> Timestamp {
        Timestamp::from_unix_seconds(number)
    }

    #[test]
    fn many_small_amounts_add_up() {
        let mut volume = OutboundVolume::default();
        let reached = (0..100).find(|n| volume.add(MEBIBYTE / 4, second(n * 30), &LIMITS).is_some());
        assert_eq!(reached, Some(39));
    }

    #[test]
    fn slow_transfer_stays_below_the_window() {
        let mut volume = OutboundVolume::default();
        let slow = (0..1_000).filter_map(|n| volume.add(MEBIBYTE / 4, second(n * 300), &LIMITS));
        assert_eq!(slow.count(), 0, "three mebibytes an hour");
    }

    #[test]
    fn finds_a_burst_by_its_rate() {
        let limits = VolumeLimits { bytes: 1_000 * MEBIBYTE, ..LIMITS };
        let mut volume = OutboundVolume::default();
        let first =
            (0..60).find_map(|n| volume.add(2 * MEBIBYTE, second(n), &limits).map(|it| (n, it.cause)));
        assert_eq!(first, Some((4, Cause::Rate)));
    }

    #[test]
    fn clock_set_back_neither_forgets_nor_freezes() {
        let mut volume = OutboundVolume::default();
        assert!(volume.add(9 * MEBIBYTE - 1, second(10_000), &LIMITS).is_none());
        assert!(volume.add(MEBIBYTE + 1, second(5), &LIMITS).is_some(), "what was counted stays counted");
        assert!(volume.add(0, second(9_000), &LIMITS).is_none(), "the window moves on from there");
    }
}
