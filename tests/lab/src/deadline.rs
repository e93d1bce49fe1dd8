//! Waits for a condition, up to a deadline.

use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(2);

/// The environment variable by which limits grow on a machine that is known to be slow, such as an emulated one.
const FACTOR: &str = "SMB_SENSOR_PATIENCE_FACTOR";

/// A limit on this machine.
#[must_use]
pub fn patience(limit: Duration) -> Duration {
    static BY: LazyLock<u32> = LazyLock::new(|| {
        let factor = std::env::var(FACTOR).ok().and_then(|text| text.parse().ok());
        factor.unwrap_or(1).max(1)
    });
    limit.saturating_mul(*BY)
}

/// Calls `probe` until it gives a value or `within` has passed on this machine ([`patience`]); the probe runs at least once.
pub fn poll<T>(within: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience(within);
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// Whether something stays true for this time, which is no limit and the same on every machine.
pub fn stays(time: Duration, mut is_true: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if !is_true() {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}

/// Whether something comes about within this time, which is promised and the same on every machine.
pub fn comes_within(time: Duration, mut is_true: impl FnMut() -> bool) -> bool {
    !stays(time, || !is_true())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_probe_ends_at_the_deadline() {
        let started = Instant::now();
        assert_eq!(poll(Duration::from_millis(20), || None::<()>), None);
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn what_changes_within_the_time_does_not_stay() {
        let mut left = 3;
        let mut is_left = || {
            left -= 1;
            left > 0
        };
        assert!(!stays(Duration::from_secs(60), &mut is_left));
        assert!(stays(Duration::from_millis(5), || true));
    }

    #[test]
    fn probe_runs_even_without_time_left() {
        assert_eq!(poll(Duration::ZERO, || Some(7)), Some(7));
    }
}
