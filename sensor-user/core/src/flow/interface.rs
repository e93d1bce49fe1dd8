//! The counts of a connection on one interface: those that left the kernel's slots, and those still there.

use sensor_common::slot::{RecordKind, mark};
use serde::{Deserialize, Serialize};

use crate::record::{Counts, Observation, Progress};

/// Bytes of the shortest message: a session header and a header of SMB 1 (RFC 1002 4.3.1, MS-CIFS 2.2.3.1).
const SHORTEST_MESSAGE: i32 = 4 + 32;

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
    /// How far the streams were followed up to these counts, if that is known.
    #[serde(skip)]
    progress: Option<[Progress; 2]>,
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

    /// Whether the slots, when nothing more comes, show a message that no CPU looked at. What one CPU missed of a stream that it
    /// saw whole, it says by itself.
    pub(super) fn missed_between_cpus(&self, smb_spoken: bool) -> bool {
        [0, 1].into_iter().any(|side| self.missed_of(side, smb_spoken))
    }

    fn missed_of(&self, side: usize, smb_spoken: bool) -> bool {
        let counts_side = |slot: &&SlotCounters| slot.counts.packets[side] > slot.baseline.packets[side];
        let slots: Vec<&SlotCounters> = self.slots.iter().filter(counts_side).collect();
        if slots.windows(2).all(|pair| pair[0].cpu == pair[1].cpu) {
            return false;
        }
        // A slot that served an earlier connection may still show the place in that one.
        let own = slots.iter().filter(|slot| slot.baseline.total_packets() == 0);
        let shown: Vec<Progress> = own.filter_map(|slot| Some(slot.progress?[side])).collect();
        let Some(seen) = latest(shown.iter().map(|one| one.seen).filter(|seen| *seen != 0)) else {
            return false;
        };
        let holds_message = |from: u32| seen.wrapping_sub(from) as i32 >= SHORTEST_MESSAGE;
        if shown.iter().any(|one| one.begun && one.next.is_some_and(holds_message)) {
            return true;
        }
        // A slot that is gone, or whose present state is not known, may have shown a later message. In other protocols, nothing is
        // to be looked at.
        let all_shown = shown.len() == slots.len() && self.settled.total_packets() == 0;
        let next = latest(shown.iter().filter_map(|one| one.next));
        smb_spoken && all_shown && next.is_some_and(holds_message)
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
            Some(at) => {
                let slot = &mut self.slots[at];
                let known = slot.progress.filter(|_| slot.counts == seen.counts);
                slot.progress = seen.progress.or(known);
                slot.counts = seen.counts;
            }
            // The counts of another generation remain until their settled record arrives. If that is lost, they are the
            // best approximation.
            None => self.slots.push(SlotCounters {
                cpu: seen.cpu,
                generation: seen.generation,
                baseline: zero(),
                counts: seen.counts,
                progress: seen.progress,
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

/// The last of some sequence numbers, around 2^32 (RFC 9293 3.4).
fn latest(numbers: impl Iterator<Item = u32>) -> Option<u32> {
    numbers.reduce(|one, other| if other.wrapping_sub(one) as i32 > 0 { other } else { one })
}

const fn zero() -> Counts {
    Counts { packets: [0; 2], bytes: [0; 2], payload: [0; 2], retransmitted: [0; 2] }
}
