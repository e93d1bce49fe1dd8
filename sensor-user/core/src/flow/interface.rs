//! The counts of a connection on one interface: those that left the kernel's slots, and those still there.

use sensor_common::{
    flow::SETTLE_AT,
    slot::{RecordKind, mark},
};
use serde::{Deserialize, Serialize};

use crate::record::{Counts, Observation, Progress, StreamProgress};

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
    /// What is known of slots whose counts were settled.
    #[serde(default)]
    gone: Gone,
}

/// Slots whose counts were settled.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Gone {
    /// The CPUs to which packets of each side came.
    cpus: [Cpus; 2],
    /// A slot is gone that had seen payload: which messages were looked at there is not known any more.
    with_payload: bool,
}

/// How many CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Cpus {
    #[default]
    None,
    One(u16),
    Several,
}

impl Cpus {
    fn add(&mut self, cpu: u16) {
        *self = match *self {
            Self::None => Self::One(cpu),
            Self::One(known) if known == cpu => Self::One(cpu),
            _ => Self::Several,
        };
    }
}

impl Gone {
    /// Adds counts that a slot of this CPU had; `goes_on` if it still shows its streams.
    fn add(&mut self, cpu: u16, counts: &Counts, goes_on: bool) {
        for side in 0..2 {
            if counts.packets[side] > 0 {
                self.cpus[side].add(cpu);
            }
        }
        self.with_payload |= !goes_on && counts.has_payload();
    }
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
    followed: Option<StreamProgress>,
}

impl SlotCounters {
    /// The counts that belong to this connection.
    fn own(&self) -> Counts {
        self.counts.since(&self.baseline)
    }

    /// Whether it served an earlier connection with the same five-tuple: it may still show places in that one.
    const fn is_inherited(&self) -> bool {
        self.baseline.total_packets() != 0
    }
}

impl InterfaceCounters {
    pub(super) const fn new(ifindex: u32) -> Self {
        Self { ifindex, settled: zero(), slots: Vec::new(), syn_slot: None, gone: NONE_GONE }
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
            total.add(&slot.own());
        }
        total
    }

    /// Whether all packets that slots count came to the same CPU.
    pub(super) fn is_on_one_cpu(&self) -> bool {
        self.slots.windows(2).all(|pair| pair[0].cpu == pair[1].cpu)
    }

    /// Whether the slots, when nothing more comes, do not show that every message was looked at, although packets of one side were
    /// spread over CPUs. What one CPU missed of a stream that it saw whole, it says by itself.
    pub(super) fn may_have_missed(&self, smb_spoken: bool) -> bool {
        let any_side = |holds: &dyn Fn(usize) -> bool| [0, 1].into_iter().any(holds);
        any_side(&|side| self.missed_of(side, smb_spoken))
            || smb_spoken && any_side(&|side| self.is_spread(side)) && !self.all_looked_at()
    }

    /// Whether packets of this side came to more than one CPU.
    fn is_spread(&self, side: usize) -> bool {
        let mut cpus = self.gone.cpus[side];
        self.slots.iter().filter(|slot| slot.own().packets[side] > 0).for_each(|slot| cpus.add(slot.cpu));
        cpus == Cpus::Several
    }

    /// Whether the messages that all CPUs looked at are as long as the streams up to the last one of them, modulo 2^16. Then none was
    /// left out, and none was looked at twice. False also where that cannot be told.
    fn all_looked_at(&self) -> bool {
        if self.gone.with_payload {
            return false;
        }
        let (mut shown, mut payload) = (Vec::new(), [0; 2]);
        for slot in &self.slots {
            let own = slot.own();
            match slot.followed {
                Some(followed) if !slot.is_inherited() => shown.push(followed),
                _ if own.has_payload() => return false,
                _ => {}
            }
            (0..2).for_each(|side| payload[side] += own.payload[side]);
        }
        let mut left = shown.iter().fold(0_u16, |sum, one| sum.wrapping_add(one.looked_at));
        for (side, payload) in payload.into_iter().enumerate() {
            let of = |number: fn(&Progress) -> Option<u32>| {
                shown.iter().filter_map(move |one| number(&one.sides[side]))
            };
            let Some(reached) = latest(of(|progress| progress.reached)) else {
                if payload >= SHORTEST_MESSAGE as u64 {
                    return false;
                }
                continue;
            };
            let mut firsts = of(|progress| progress.first);
            let Some(first) = firsts.next() else { return false };
            if firsts.any(|other| other != first) {
                return false;
            }
            left = left.wrapping_sub(reached.wrapping_sub(first) as u16);
        }
        left == 0
    }

    fn missed_of(&self, side: usize, smb_spoken: bool) -> bool {
        let counts_side = |slot: &&SlotCounters| slot.own().packets[side] > 0;
        let slots: Vec<&SlotCounters> = self.slots.iter().filter(counts_side).collect();
        if slots.windows(2).all(|pair| pair[0].cpu == pair[1].cpu) {
            return false;
        }
        let own = slots.iter().filter(|slot| !slot.is_inherited());
        let shown: Vec<Progress> = own.filter_map(|slot| Some(slot.followed?.sides[side])).collect();
        let Some(seen) = latest(shown.iter().map(|one| one.seen).filter(|seen| *seen != 0)) else {
            return false;
        };
        let holds_message = |from: u32| seen.wrapping_sub(from) as i32 >= SHORTEST_MESSAGE;
        // What a CPU began or passed over, another one that is further has taken over.
        let furthest = latest(shown.iter().filter_map(|one| one.reached));
        let missed =
            |one: &Progress| one.begun && one.next.is_some_and(holds_message) || smb_spoken && one.gap;
        if shown.iter().any(|one| one.reached == furthest && missed(one)) {
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
            let counted = seen.counts.since(&baseline);
            self.settled.add(&counted);
            // A slot whose counts were near their limit keeps its flow.
            let is_full = seen.counts.bytes.iter().any(|bytes| *bytes >= u64::from(SETTLE_AT));
            self.gone.add(seen.cpu, &counted, is_full && baseline.total_packets() == 0);
            return;
        }
        match at {
            // A record may be read after a sweep that saw more. Within one generation counts only grow.
            Some(at) if self.slots[at].counts.total_packets() > seen.counts.total_packets() => {}
            Some(at) => {
                let slot = &mut self.slots[at];
                let known = slot.followed.filter(|_| slot.counts == seen.counts);
                slot.followed = seen.followed.or(known);
                slot.counts = seen.counts;
            }
            // The counts of another generation remain until their settled record arrives. If that is lost, they are the
            // best approximation.
            None => self.slots.push(SlotCounters {
                cpu: seen.cpu,
                generation: seen.generation,
                baseline: zero(),
                counts: seen.counts,
                followed: seen.followed,
            }),
        }
    }

    /// Removes counts in slots that no longer exist, such as after a reboot.
    pub(super) fn settle(&mut self) {
        self.settled = self.total();
        for slot in &self.slots {
            self.gone.add(slot.cpu, &slot.own(), false);
        }
        self.slots.clear();
        self.syn_slot = None;
    }
}

/// The last of some sequence numbers, around 2^32 (RFC 9293 3.4).
fn latest(numbers: impl Iterator<Item = u32>) -> Option<u32> {
    numbers.reduce(|one, other| if other.wrapping_sub(one) as i32 > 0 { other } else { one })
}

const NONE_GONE: Gone = Gone { cpus: [Cpus::None; 2], with_payload: false };

const fn zero() -> Counts {
    Counts { packets: [0; 2], bytes: [0; 2], payload: [0; 2], retransmitted: [0; 2] }
}
