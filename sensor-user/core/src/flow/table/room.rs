//! Which conversation makes room for a new one when the table is full.
//!
//! First goes the oldest that got no further than an attempt or a refusal: a flood of spoofed SYNs pushes itself out. Then the
//! oldest that connected and never spoke SMB. One that spoke SMB stays until it is over.

use std::collections::{HashMap, VecDeque};

use sensor_common::slot::RecordKind;

use super::{
    Tracker,
    entry::{Entry, FORGET},
};
use crate::{
    decode::Observation,
    flow::{Conversation, Evidence, Flow, conversation::TICK_SLACK},
};

/// Conversations that are looked at in each queue to make room for one: what a record may cost at most.
const LOOKS: usize = 64;

/// Places beyond twice those that are needed, before the queues are gone through.
const SPARE: usize = 1_024;

/// The conversations of the table in the order in which they began.
pub(super) struct Room {
    /// Those that nobody asked to go yet.
    fresh: VecDeque<Place>,
    /// Those that had connected when they were to go.
    connected: VecDeque<Place>,
    /// When the last began of those that went while packets of them were in slots of the kernel.
    through: i128,
}

/// A conversation; the time tells it from a later one between the same ends.
struct Place {
    ends: Conversation,
    ripe_at: i128,
}

impl Place {
    fn entry<'a>(&self, flows: &'a HashMap<Conversation, Entry>) -> Option<&'a Entry> {
        flows.get(&self.ends).filter(|entry| entry.ripe_at == self.ripe_at)
    }
}

impl Room {
    pub(super) const fn new() -> Self {
        Self { fresh: VecDeque::new(), connected: VecDeque::new(), through: i128::MIN }
    }

    /// A conversation began.
    pub(super) fn began(&mut self, ends: Conversation, ripe_at: i128) {
        self.fresh.push_back(Place { ends, ripe_at });
    }

    /// Takes the conversation that is worth least out of the table, if there is one that may go.
    pub(super) fn make(&mut self, flows: &mut HashMap<Conversation, Entry>) -> Option<Entry> {
        let place = self.attempt(flows).or_else(|| self.quiet_connection(flows))?;
        let entry = flows.remove(&place.ends)?;
        if entry.flow.in_slots() {
            self.through = self.through.max(entry.flow.first + TICK_SLACK);
        }
        Some(entry)
    }

    fn attempt(&mut self, flows: &HashMap<Conversation, Entry>) -> Option<Place> {
        for _ in 0..LOOKS {
            let place = self.fresh.pop_front()?;
            match place.entry(flows) {
                Some(entry) if entry.flow.evidence < Evidence::Established => return Some(place),
                Some(_) => self.connected.push_back(place),
                None => {}
            }
        }
        None
    }

    /// One of which the kernel holds nothing any more: its next packet begins another, and the last is not told twice.
    fn quiet_connection(&mut self, flows: &HashMap<Conversation, Entry>) -> Option<Place> {
        for _ in 0..LOOKS {
            let place = self.connected.pop_front()?;
            match place.entry(flows) {
                Some(entry)
                    if !entry.flow.in_slots()
                        && (entry.closed_at.is_some() || entry.flow.evidence < Evidence::Smb) =>
                {
                    return Some(place);
                }
                Some(_) => self.connected.push_back(place),
                None => {}
            }
        }
        None
    }

    /// Whether a conversation that the table does not hold and that began then may be one that made room.
    pub(super) const fn may_have_held(&self, first: i128) -> bool {
        first <= self.through
    }

    /// Places that are remembered.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.fresh.len() + self.connected.len()
    }

    /// Drops the places of conversations that are gone, when they are many.
    pub(super) fn tidy(&mut self, flows: &HashMap<Conversation, Entry>) {
        if self.fresh.len() + self.connected.len() > 2 * flows.len() + SPARE {
            for queue in [&mut self.fresh, &mut self.connected] {
                queue.retain(|place| place.entry(flows).is_some());
                queue.shrink_to_fit();
            }
        }
    }
}

impl Tracker {
    /// A conversation that the table does not hold, if it is to be in it; makes room for it.
    pub(super) fn admits(
        &mut self,
        ends: Conversation,
        kind: Option<RecordKind>,
        seen: &Observation,
        times: (i128, i128),
        now: i128,
    ) -> Option<Flow> {
        let mut begins = Flow::new(ends, times.0);
        if kind != Some(RecordKind::Opened) && self.room.may_have_held(times.0) {
            let mut flow = Flow::new(ends, times.0);
            let services = &self.options.services;
            let packets = flow.merge(kind, seen, times, |port| services.service(ends.transport, port));
            if flow.evidence < Evidence::Established {
                // It made room for another and was told then. What its slot held was taken back from the accounts.
                self.accounted += if kind == Some(RecordKind::Settled) { packets } else { 0 };
                return None;
            }
            // Answered after it was told: what is told from here on is not told under the same id once more.
            begins = Flow::resumed(ends, times.1);
        }
        // It was told, and forgotten while its slot was left alone: all its packets were accounted then.
        if kind == Some(RecordKind::Settled) && now - times.1 > FORGET {
            return None;
        }
        if self.flows.len() < self.options.capacity {
            return Some(begins);
        }
        let Some(gone) = self.room.make(&mut self.flows) else {
            self.untracked += 1;
            return None;
        };
        self.readers -= usize::from(gone.is_read());
        self.accounted -= gone.flow.packets_in_slots();
        if gone.closed_at.is_none() {
            self.evicted += 1;
            let mut flow = gone.flow;
            flow.stop_waiting();
            self.made_room = Some(flow);
        }
        Some(begins)
    }

    /// The conversation that made room for the last one that began, once. It is to be told as it stands.
    pub fn take_evicted(&mut self) -> Option<Flow> {
        self.made_room.take()
    }

    /// Conversations that made room for others before they were over.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }
}
