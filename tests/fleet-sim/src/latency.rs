//! Latencies.

use std::{fmt, time::Duration};

/// Latencies, as they were measured.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, one: Duration) {
        self.0.push(one);
    }

    pub(crate) fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    /// So many of a thousand are no longer than this.
    fn per_mille(&self, share: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let place = (sorted.len() * share / 1_000).min(sorted.len().saturating_sub(1));
        sorted.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [500, 990, 1_000].map(|share| self.per_mille(share).as_secs_f64() * 1_000.0);
        write!(f, "p50 {half:.1} ms, p99 {most:.1} ms, at most {all:.0} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_sorted_latencies() {
        let mut latencies = Latencies::default();
        (1..=1_000).rev().for_each(|number| latencies.add(Duration::from_millis(number)));
        assert_eq!(latencies.to_string(), "p50 501.0 ms, p99 991.0 ms, at most 1000 ms");
        assert_eq!(Latencies::default().to_string(), "p50 0.0 ms, p99 0.0 ms, at most 0 ms");
    }
}
