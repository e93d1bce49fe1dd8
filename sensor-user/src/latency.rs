//! How long the stages between a packet and a delivered document take.
//!
//! Each stage observes durations, from its own thread. The metrics endpoint reads the same histograms.

use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds of the buckets, in seconds: from 0.1 ms to 10 s.
const BOUNDS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Durations of one stage. Clones observe into the same histogram.
#[derive(Clone, Debug)]
pub struct Latency(Histogram);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(BOUNDS))
    }
}

impl Latency {
    /// Takes one duration.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }

    /// The histogram.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram {
        &self.0
    }
}

/// The stages of the agent up to the store.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    /// From a packet to the moment when the agent reads its record.
    pub read: Latency,
    /// From reading the first record of a batch to handing its documents to the store.
    pub core: Latency,
    /// From handing over documents to their commit.
    pub store: Latency,
}

impl Stages {
    /// Each stage with its name.
    #[must_use]
    pub const fn all(&self) -> [(&'static str, &Latency); 3] {
        [("read", &self.read), ("core", &self.core), ("store", &self.store)]
    }
}
