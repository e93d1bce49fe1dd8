//! Connections that changed since they were last stored, for a caller that stores each change separately.

use std::collections::HashSet;

use super::{Change, FlowTable, StoredFlow};
use crate::address::FiveTuple;

/// A connection that changed; `None` if it left the table.
pub type ChangedFlow<L> = (FiveTuple, Option<StoredFlow<L>>);

/// The connections that changed, once somebody asks for them.
#[derive(Debug, Default)]
pub(super) struct Unsaved(Option<HashSet<FiveTuple>>);

impl Unsaved {
    pub(super) fn note(&mut self, tuple: FiveTuple) {
        if let Some(changed) = &mut self.0 {
            changed.insert(tuple);
        }
    }
}

impl<L: Default + Clone> FlowTable<L> {
    /// Notes from now on which connections change.
    pub fn follow_changes(&mut self) {
        self.unsaved.0.get_or_insert_default();
    }

    /// How many connections changed since they were last taken.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.unsaved.0.as_ref().map_or(0, HashSet::len)
    }

    /// Takes the connections that changed, in no particular order.
    pub fn take_changed(&mut self) -> Vec<ChangedFlow<L>> {
        let tuples = self.unsaved.0.as_mut().map(std::mem::take).unwrap_or_default();
        tuples.into_iter().map(|tuple| (tuple, self.flows.get(&tuple).map(StoredFlow::of))).collect()
    }

    /// Forgets which connections changed.
    pub fn forget_changed(&mut self) {
        if let Some(changed) = &mut self.unsaved.0 {
            changed.clear();
        }
    }

    /// Continues with this number of accounted packets.
    pub const fn set_accounted(&mut self, packets: i64) {
        self.accounted = packets;
    }

    /// The slots of the kernel are gone, and others count: what the old ones counted stays with the connections.
    pub fn begin_slots(&mut self) {
        self.accounted = 0;
        for (tuple, entry) in &mut self.flows {
            if entry.flow.has_slots() {
                entry.flow.settle_slots();
                self.unsaved.note(*tuple);
            }
        }
    }

    /// Reports every open connection once more, for its counts.
    pub fn report_open(&self, changes: &mut Vec<Change<L>>) {
        let open = self.flows.values().filter(|entry| !entry.is_closed());
        let mut open: Vec<FiveTuple> = open.map(|entry| entry.flow.tuple).collect();
        open.sort();
        changes.extend(open.into_iter().map(Change::Updated));
    }
}
