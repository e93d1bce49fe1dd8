//! The counts of a connection on one interface: those that left the kernel's slots, and those still there.

use sensor_common::slot::{RecordKind, mark};
use serde::{Deserialize, Serialize};

use crate::record::{Counts, Observation};

/// The counts of a connection on one interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct InterfaceCounters {
    pub(super) ifindex: u32,
    /// Counts that left the kernel's slots.
    settled: Counts,
    /// Counts that are still in slots.
    slots: Vec<SlotCounters>,
    /// CPU and generation of the slot that the SYN of this connection took last.
    syn_slot: Option<(u16, u32)>,
}

/// Counts in a slot, during one generation of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct SlotCounters {
    cpu: u16,
    generation: u32,
    /// The part of the counts that belongs to an earlier connection with the same five-tuple.
    baseline: Counts,
    counts: Counts,
}

impl InterfaceCounters {
    pub(super) const fn new(ifindex: u32) -> Self {
        Self { ifindex, settled: zero(), slots: Vec::new(), syn_slot: None }
    }

    /// For the next connection with the same five-tuple: the counts in slots are its baseline.
    pub(super) fn successor(&self) -> Self {
        let slots = self.slots.iter().map(|slot| SlotCounters { baseline: slot.counts, ..*slot });
        Self { slots: slots.collect(), ..Self::new(self.ifindex) }
    }

    /// Whether any of its counts may still be in a slot of the kernel.
    pub(super) const fn has_slots(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Packets in slots of the kernel, including those of an earlier connection with the same five-tuple.
    pub(super) fn packets_in_slots(&self) -> u64 {
        self.slots.iter().map(|slot| slot.counts.total_packets()).sum()
    }

    pub(super) fn total(&self) -> Counts {
        let mut total = self.settled;
        for slot in &self.slots {
            total.add(&slot.counts.since(&slot.baseline));
        }
        total
    }

    /// Whether all packets that slots count came to the same CPU.
    pub(super) fn is_on_one_cpu(&self) -> bool {
        self.slots.windows(2).all(|pair| pair[0].cpu == pair[1].cpu)
    }

    /// Whether counts of this generation of a slot are known.
    pub(super) fn counts_slot_of(&self, seen: &Observation) -> bool {
        self.slots.iter().any(|slot| slot.cpu == seen.cpu && slot.generation == seen.generation)
    }

    /// Whether exactly the counts of this slot are known.
    pub(super) fn knows(&self, seen: &Observation) -> bool {
        self.slots.iter().any(|slot| {
            slot.cpu == seen.cpu && slot.generation == seen.generation && slot.counts == seen.counts
        })
    }

    /// Whether another SYN took the slot in which this connection began with its own SYN.
    pub(super) fn syn_slot_was_taken(&self, seen: &Observation) -> bool {
        self.syn_slot.is_some_and(|(cpu, generation)| cpu == seen.cpu && generation != seen.generation)
    }

    pub(super) fn count(&mut self, kind: Option<RecordKind>, seen: &Observation) {
        let same = |slot: &SlotCounters| slot.cpu == seen.cpu && slot.generation == seen.generation;
        let at = self.slots.iter().position(same);
        if seen.marks & mark::OPENED_BY_SYN != 0
            && at.is_none_or(|at| self.slots[at].baseline.total_packets() == 0)
        {
            self.syn_slot = Some((seen.cpu, seen.generation));
        }
        if kind == Some(RecordKind::Settled) {
            let baseline = at.map(|at| self.slots.swap_remove(at).baseline).unwrap_or_default();
            self.settled.add(&seen.counts.since(&baseline));
            return;
        }
        match at {
            // A record may be read after a sweep that saw more. Within one generation counts only grow.
            Some(at) if self.slots[at].counts.total_packets() > seen.counts.total_packets() => {}
            Some(at) => self.slots[at].counts = seen.counts,
            // The counts of another generation remain until their settled record arrives. If that is lost, they are the
            // best approximation.
            None => self.slots.push(SlotCounters {
                cpu: seen.cpu,
                generation: seen.generation,
                baseline: zero(),
                counts: seen.counts,
            }),
        }
    }

    /// Removes counts in slots that no longer exist, such as after a reboot.
    pub(super) fn settle(&mut self) {
        self.settled = self.total();
        self.slots.clear();
        self.syn_slot = None;
    }
}

const fn zero() -> Counts {
    Counts { packets: [0; 2], bytes: [0; 2], payload: [0; 2], retransmitted: [0; 2] }
}
