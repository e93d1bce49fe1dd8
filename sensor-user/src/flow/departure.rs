//! What leaves the internal networks over SMB between two addresses, however many conversations it takes.
//!
//! Takes the bytes that a conversation sent since it was last asked, gives a [`Departure`] where those of its pair of addresses
//! became too many or too fast. Bounded: pairs that were left alone longest are forgotten first.

use std::net::IpAddr;

use super::Flow;
use crate::recent::Recent;

const SECOND: i128 = 1_000_000_000;

/// Pairs of addresses that are remembered at least.
const PAIRS: usize = 8_192;

/// Parts in which a span is counted; the oldest is forgotten at a time.
const PARTS: usize = 10;

/// Seconds over which a rate is taken.
pub const RATE_SECONDS: u64 = 10;

/// How much may leave before that is an alert of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepartureLimits {
    /// Bytes of payload of one conversation, or of all SMB sessions between two addresses within the window.
    pub bytes: u64,
    /// Seconds of that window.
    pub window: u64,
    /// Bytes a second between two addresses, over [`RATE_SECONDS`].
    pub rate: u64,
}

impl Default for DepartureLimits {
    fn default() -> Self {
        Self { bytes: 10 << 20, window: 3_600, rate: 256 << 10 }
    }
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Bytes of the pair within the window.
    Bytes,
    /// Bytes a second.
    Rate,
}

/// A pair of addresses between which too much left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Which limit was reached.
    pub cause: Cause,
    /// Bytes of the pair within the window.
    pub bytes: u64,
    /// Bytes a second over the last [`RATE_SECONDS`].
    pub rate: u64,
}

/// The pairs of addresses.
pub(super) struct Departures {
    limits: DepartureLimits,
    pairs: Recent<(IpAddr, IpAddr), Pair>,
}

#[derive(Default)]
struct Pair {
    window: Span,
    burst: Span,
    told_at: Option<i128>,
}

impl Departures {
    pub(super) fn new(limits: DepartureLimits) -> Self {
        Self { limits, pairs: Recent::new(PAIRS) }
    }

    /// Counts what left in this conversation since it was last counted, and tells it where that became too much. What an
    /// exempt one carries is not counted: it would use up the window, and silence what leaves between the same two otherwise.
    pub(super) fn count(&mut self, flow: &mut Flow, now: i128, exempt: impl FnOnce(&Flow) -> bool) {
        let departed = flow.newly_departed();
        if departed > 0 && !exempt(flow) {
            let pair = (flow.ends.local.ip(), flow.ends.remote.ip());
            flow.departure = self.add(pair, departed, now).or(flow.departure);
        }
    }

    /// Counts bytes that left from `inside` to `outside` until `now` (nanoseconds). Each time that a limit is reached is told
    /// once: the window then begins anew, and a rate is not told again before the window is over.
    fn add(&mut self, (inside, outside): (IpAddr, IpAddr), bytes: u64, now: i128) -> Option<Departure> {
        let window = i128::from(self.limits.window) * SECOND;
        let pair = self.pairs.entry((inside, outside));
        let bytes_in_window = pair.window.add(bytes, now, window);
        let rate = pair.burst.add(bytes, now, i128::from(RATE_SECONDS) * SECOND) / RATE_SECONDS;
        // A clock that was set back must not silence the pair.
        let told_lately = pair.told_at.is_some_and(|at| (now - at).abs() < window);
        let cause = if bytes_in_window >= self.limits.bytes {
            Cause::Bytes
        } else if rate >= self.limits.rate && !told_lately {
            Cause::Rate
        } else {
            return None;
        };
        pair.told_at = Some(now);
        if cause == Cause::Bytes {
            pair.window = Span::default();
        }
        Some(Departure { cause, bytes: bytes_in_window, rate })
    }
}

/// A sum over the last span of time, exact to a tenth of it.
#[derive(Default)]
struct Span {
    parts: [u64; PARTS],
    /// Number of the newest part since the epoch.
    newest: i128,
}

impl Span {
    /// Adds, and gives the sum.
    fn add(&mut self, bytes: u64, now: i128, length: i128) -> u64 {
        let part = now / (length / PARTS as i128).max(1);
        // A clock that was set back goes on in the part that it left.
        let passed = usize::try_from(part - self.newest).unwrap_or(0).min(PARTS);
        self.parts.rotate_right(passed);
        self.parts[..passed].fill(0);
        self.newest = part;
        self.parts[0] += bytes;
        self.parts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: u64 = 1 << 20;

    fn departures() -> Departures {
        Departures::new(DepartureLimits { bytes: 10 * MEGABYTE, window: 3_600, rate: MEGABYTE })
    }

    fn pair(last: u8) -> (IpAddr, IpAddr) {
        (IpAddr::from([10, 0, 0, last]), IpAddr::from([8, 8, 4, 4]))
    }

    #[test]
    fn many_small_amounts_between_one_pair_add_up() {
        let mut departures = departures();
        let told: Vec<_> = (0..100)
            .filter_map(|n| departures.add(pair(2), MEGABYTE / 4, n * 30 * SECOND).map(|it| (n, it.cause)))
            .collect();
        assert_eq!(told, [(39, Cause::Bytes), (79, Cause::Bytes)], "each ten megabytes once");
    }

    #[test]
    fn what_trickles_stays_below_the_window() {
        let mut departures = departures();
        let slow = (0..1_000).filter_map(|n| departures.add(pair(2), MEGABYTE / 4, n * 300 * SECOND));
        assert_eq!(slow.count(), 0, "three megabytes an hour");
    }

    #[test]
    fn a_burst_is_told_by_its_rate_once_in_a_window() {
        let mut departures =
            Departures::new(DepartureLimits { bytes: 1_000 * MEGABYTE, window: 3_600, rate: MEGABYTE });
        let told: Vec<_> = (0..60)
            .filter_map(|n| departures.add(pair(2), 2 * MEGABYTE, n * SECOND).map(|it| (n, it.cause)))
            .collect();
        assert_eq!(told, [(4, Cause::Rate)]);
        assert!(departures.add(pair(2), 20 * MEGABYTE, 4_000 * SECOND).is_some(), "in another window again");
    }

    #[test]
    fn pairs_do_not_add_up() {
        let mut departures = departures();
        for last in 0..=255 {
            assert_eq!(departures.add(pair(last), MEGABYTE, SECOND), None);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_neither_forgets_nor_freezes() {
        let mut departures = departures();
        assert!(departures.add(pair(2), 9 * MEGABYTE, 10_000 * SECOND).is_none());
        assert!(departures.add(pair(2), MEGABYTE, 5 * SECOND).is_some(), "what was counted stays counted");
        assert!(departures.add(pair(2), 9 * MEGABYTE, 6 * SECOND).is_none());
        assert!(
            departures.add(pair(2), MEGABYTE, 4_000 * SECOND).is_none(),
            "the window moves on from there"
        );
    }
}
