//! Rates between two samples, and those of the last minutes.

use std::{collections::VecDeque, time::Instant};

use super::Sample;
use crate::status::Status;

/// Rates that are kept for the picture: as many as the widest terminal shows.
const KEPT: usize = 512;

/// Counts of a status whose rates are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    seen: u64,
    kept: u64,
    lost: u64,
    records: u64,
    documents: u64,
}

impl Counts {
    const fn of(status: &Status) -> Self {
        Self {
            seen: status.packets.seen,
            kept: status.packets.kept,
            lost: status.ring.lost,
            records: status.ring.records,
            documents: status.store.documents,
        }
    }
}

/// Rates per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct PerSecond {
    pub(super) seen: f64,
    pub(super) kept: f64,
    pub(super) lost: f64,
    pub(super) records: f64,
    pub(super) documents: f64,
}

/// The present rates and earlier ones.
#[derive(Debug, Default)]
pub(super) struct Rates {
    last: Option<(Instant, u32, Counts)>,
    pub(super) now: Option<PerSecond>,
    /// Packets that were seen per second, the latest last.
    pub(super) seen: VecDeque<u64>,
}

impl Rates {
    /// Takes the next sample. Another process begins again, and so does one after a gap.
    pub(super) fn take(&mut self, sample: &Sample) {
        let Ok(status) = &sample.status else {
            (self.last, self.now) = (None, None);
            return;
        };
        let counts = Counts::of(status);
        let before = self.last.replace((sample.taken, status.pid, counts));
        self.now = before.filter(|(_, pid, _)| *pid == status.pid).map(|(taken, _, before)| {
            let seconds = sample.taken.duration_since(taken).as_secs_f64().max(0.001);
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            PerSecond {
                seen: rate(counts.seen, before.seen),
                kept: rate(counts.kept, before.kept),
                lost: rate(counts.lost, before.lost),
                records: rate(counts.records, before.records),
                documents: rate(counts.documents, before.documents),
            }
        });
        if let Some(now) = self.now {
            self.seen.push_back(now.seen.round() as u64);
            if self.seen.len() > KEPT {
                self.seen.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::status::Packets;

    fn sample(taken: Instant, pid: u32, seen: u64) -> Sample {
        let status = Status { pid, packets: Packets { seen, ..Packets::default() }, ..Status::default() };
        Sample { taken, status: Ok(status), incidents: vec![] }
    }

    #[test]
    fn rates_are_of_one_process_and_of_the_time_between_two_samples() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut rates = Rates::default();
        rates.take(&sample(at(0), 1, 100));
        assert_eq!(rates.now, None, "one sample gives no rate");
        rates.take(&sample(at(2), 1, 300));
        assert_eq!(rates.now.map(|now| now.seen), Some(100.0));
        rates.take(&sample(at(3), 2, 5));
        assert_eq!(rates.now, None, "another process counts from zero");
        rates.take(&Sample { taken: at(4), status: Err("gone".into()), incidents: vec![] });
        rates.take(&sample(at(5), 2, 10));
        assert_eq!(rates.now, None, "nothing is known of the time in between");
        assert_eq!(rates.seen, [100]);
    }
}
