//! Which connection is evicted for a new one when the table is full.
//!
//! First the oldest connection that got no further than an attempt or a refusal: a flood of spoofed SYNs evicts itself. Then the
//! oldest connection that never spoke SMB, and closed ones. A connection that speaks SMB stays until it is closed.

use std::collections::{HashMap, VecDeque};

use sensor_common::slot::RecordKind;

use super::{
    Change, FlowTable,
    entry::{FlowEntry, REMEMBER_SLOT},
};
use crate::{
    address::FiveTuple,
    flow::{Flow, state::TICK_SLACK},
    level::EvidenceLevel,
    record::Observation,
    time::Timestamp,
};

/// Connections that are inspected in each queue to find one: this bounds the cost of a record.
const MAX_LOOKS: usize = 64;

/// Queue entries beyond twice the number of connections, before the queues are cleaned.
const SPARE: usize = 1_024;

/// The connections of the table in the order of their start.
#[derive(Debug)]
pub(super) struct EvictionQueue {
    /// Those that were not inspected yet.
    fresh: VecDeque<Place>,
    /// Those that had connected when they were inspected.
    connected: VecDeque<Place>,
    /// The latest start among those that were evicted while their packets were in slots of the kernel.
    evicted_until: Timestamp,
}

/// A connection; the time distinguishes it from a later one with the same five-tuple.
#[derive(Debug)]
struct Place {
    tuple: FiveTuple,
    settle_at: Timestamp,
}

impl Place {
    fn entry<'a, L>(&self, flows: &'a HashMap<FiveTuple, FlowEntry<L>>) -> Option<&'a FlowEntry<L>> {
        flows.get(&self.tuple).filter(|entry| entry.settle_at == self.settle_at)
    }
}

impl EvictionQueue {
    pub(super) const fn new() -> Self {
        Self { fresh: VecDeque::new(), connected: VecDeque::new(), evicted_until: Timestamp::MIN }
    }

    /// A connection began.
    pub(super) fn push(&mut self, tuple: FiveTuple, settle_at: Timestamp) {
        self.fresh.push_back(Place { tuple, settle_at });
    }

    /// Evicts the least valuable connection, if one may be evicted.
    fn evict<L>(&mut self, flows: &mut HashMap<FiveTuple, FlowEntry<L>>) -> Option<FlowEntry<L>> {
        let place = self.attempt(flows).or_else(|| self.quiet_connection(flows))?;
        let entry = flows.remove(&place.tuple)?;
        if entry.flow.has_slots() {
            self.evicted_until = self.evicted_until.max(entry.flow.first + TICK_SLACK);
        }
        Some(entry)
    }

    fn attempt<L>(&mut self, flows: &HashMap<FiveTuple, FlowEntry<L>>) -> Option<Place> {
        for _ in 0..MAX_LOOKS {
            let place = self.fresh.pop_front()?;
            match place.entry(flows) {
                Some(entry) if entry.flow.level < EvidenceLevel::Connected => return Some(place),
                Some(_) => self.connected.push_back(place),
                None => {}
            }
        }
        None
    }

    /// A connection without a slot: its next packet begins another one, and the last is not counted twice.
    fn quiet_connection<L>(&mut self, flows: &HashMap<FiveTuple, FlowEntry<L>>) -> Option<Place> {
        for _ in 0..MAX_LOOKS {
            let place = self.connected.pop_front()?;
            match place.entry(flows) {
                Some(entry)
                    if !entry.flow.has_slots()
                        && (entry.is_closed() || entry.flow.level < EvidenceLevel::Smb) =>
                {
                    return Some(place);
                }
                Some(_) => self.connected.push_back(place),
                None => {}
            }
        }
        None
    }

    /// Whether a connection that is not in the table and began then may have been evicted.
    const fn may_have_evicted(&self, first: Timestamp) -> bool {
        first.unix_nanos() <= self.evicted_until.unix_nanos()
    }

    /// Number of queue entries.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.fresh.len() + self.connected.len()
    }

    /// Drops the queue entries of connections that are gone, if there are many.
    pub(super) fn tidy<L>(&mut self, flows: &HashMap<FiveTuple, FlowEntry<L>>) {
        if self.fresh.len() + self.connected.len() > 2 * flows.len() + SPARE {
            for queue in [&mut self.fresh, &mut self.connected] {
                queue.retain(|place| place.entry(flows).is_some());
                queue.shrink_to_fit();
            }
        }
    }
}

impl<L: Default + Clone> FlowTable<L> {
    /// Admits a connection that is not in the table; evicts another for it if the table is full.
    pub(super) fn admit(
        &mut self,
        kind: Option<RecordKind>,
        seen: &Observation,
        times: (Timestamp, Timestamp),
        now: Timestamp,
        changes: &mut Vec<Change<L>>,
    ) -> Option<Flow> {
        let tuple = seen.id.tuple;
        let mut begins = Flow::new(tuple, times.0);
        if kind != Some(RecordKind::Opened) && self.eviction.may_have_evicted(times.0) {
            let mut flow = Flow::new(tuple, times.0);
            let packets = flow.merge(kind, seen, times, &self.options.services);
            if flow.level < EvidenceLevel::Connected {
                // It was evicted and reported then. The counts of its slot were subtracted from the accounts.
                self.accounted += if kind == Some(RecordKind::Settled) { packets } else { 0 };
                return None;
            }
            // It connected after it was reported: from here on it is another connection, so that nothing is reported twice.
            begins = Flow::after_eviction(tuple, times.1);
        }
        // It was reported, and forgotten while its slot was idle: all its packets were accounted then.
        if kind == Some(RecordKind::Settled) && now.since(times.1) > REMEMBER_SLOT {
            return None;
        }
        self.make_room(changes).then_some(begins)
    }

    /// Makes room for one more connection; says whether there is.
    pub(super) fn make_room(&mut self, changes: &mut Vec<Change<L>>) -> bool {
        if self.flows.len() < self.options.capacity {
            return true;
        }
        let Some(evicted) = self.eviction.evict(&mut self.flows) else {
            self.untracked += 1;
            return false;
        };
        self.accounted -= evicted.flow.packets_in_slots();
        if !evicted.is_closed() {
            self.evicted += 1;
        }
        self.remove(evicted, changes);
        true
    }

    /// Connections that were evicted for others before they were over.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }
}
