//! What one interface saw of a conversation: counts that left the kernel's slots, and counts that are still there.

use sensor_common::slot::RecordKind;

use crate::decode::{Counts, Observation};

/// What one interface saw of a flow.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) ifindex: u32,
    /// Counts that left the kernel's slots.
    settled: Counts,
    /// Counts that are still in slots.
    live: Vec<Live>,
}

/// Counts in a slot, during one stay.
#[derive(Clone, Copy, Debug)]
struct Live {
    cpu: u16,
    generation: u32,
    /// What of them belongs to an earlier conversation on the same ports.
    before: Counts,
    counts: Counts,
}

impl Tally {
    pub(super) fn of(ifindex: u32) -> Self {
        Self { ifindex, settled: Counts::default(), live: vec![] }
    }

    /// Of the next conversation on the same ports: whatever is still counted in slots belongs to this one.
    pub(super) fn successor(&self) -> Self {
        let live = self.live.iter().map(|live| Live { before: live.counts, ..*live });
        Self { live: live.collect(), ..Self::of(self.ifindex) }
    }

    /// Whether any of its counts may still be in a slot of the kernel.
    pub(super) fn in_slots(&self) -> bool {
        !self.live.is_empty()
    }

    /// Packets that slots of the kernel count, also for an earlier conversation on the same ports.
    pub(super) fn packets_in_slots(&self) -> u64 {
        self.live.iter().map(|live| live.counts.total_packets()).sum()
    }

    pub(super) fn total(&self) -> Counts {
        let mut total = self.settled;
        for live in &self.live {
            total.add(&live.counts.since(&live.before));
        }
        total
    }

    pub(super) fn count(&mut self, kind: Option<RecordKind>, seen: &Observation) {
        let same = |live: &Live| live.cpu == seen.cpu && live.generation == seen.generation;
        let at = self.live.iter().position(same);
        if kind == Some(RecordKind::Settled) {
            let before = at.map(|at| self.live.swap_remove(at).before).unwrap_or_default();
            self.settled.add(&seen.counts.since(&before));
            return;
        }
        match at {
            // A record may be read after a sweep that saw more: within one stay counts only grow.
            Some(at) if self.live[at].counts.total_packets() > seen.counts.total_packets() => {}
            Some(at) => self.live[at].counts = seen.counts,
            // The counts of another stay remain until their settled record comes; should that be lost, they are the best
            // there is.
            None => self.live.push(Live {
                cpu: seen.cpu,
                generation: seen.generation,
                before: Counts::default(),
                counts: seen.counts,
            }),
        }
    }
}
