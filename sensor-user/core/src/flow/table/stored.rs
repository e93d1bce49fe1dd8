//! Connections over a restart.

use serde::{Deserialize, Serialize};

use super::{
    FlowTable,
    entry::{Closed, FlowEntry},
};
use crate::{address::FiveTuple, flow::Flow};

/// A connection as it is stored. Of its facts, only counters are stored: the facts themselves are in its
/// incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredFlow<L> {
    flow: Flow,
    link: L,
    closed: Option<Closed>,
}

impl<L: Clone> StoredFlow<L> {
    pub(super) fn of(entry: &FlowEntry<L>) -> Self {
        let mut flow = entry.flow.clone();
        flow.drop_facts();
        Self { flow, link: entry.link.clone(), closed: entry.closed }
    }
}

impl<L> StoredFlow<L> {
    /// The same after its slots are gone, as after a reboot.
    #[must_use]
    pub fn without_slots(mut self) -> Self {
        self.flow.settle_slots();
        self
    }

    /// The caller's link.
    pub const fn link(&self) -> &L {
        &self.link
    }

    /// The connection.
    pub const fn tuple(&self) -> FiveTuple {
        self.flow.tuple
    }
}

impl<L: Default + Clone> FlowTable<L> {
    /// The connections of the table to store whose link `is_wanted`, including those that are closed and remembered.
    pub fn store(&self, is_wanted: impl Fn(&L) -> bool) -> impl Iterator<Item = StoredFlow<L>> {
        self.flows.values().filter(move |entry| is_wanted(&entry.link)).map(StoredFlow::of)
    }

    /// Restores stored connections. Their roles stay; messages that passed in between were not read.
    pub fn restore(&mut self, mut stored: Vec<StoredFlow<L>>) {
        stored.sort_by_key(|stored| (stored.flow.first, stored.flow.tuple));
        for StoredFlow { mut flow, link, closed } in stored {
            if self.flows.len() >= self.options.capacity {
                self.untracked += 1;
                continue;
            }
            flow.roles_restored = flow.roles_known;
            flow.incomplete |= closed.is_none();
            if closed.is_none() {
                flow.resume_facts();
                if flow.quic.is_some() {
                    self.quic.count(flow.tuple);
                }
            }
            let (tuple, settle_at) = (flow.tuple, flow.first + self.options.attempt_settle);
            let settled = flow.settled;
            let entry = FlowEntry { closed, ..FlowEntry::new(flow, link, settle_at) };
            if self.flows.insert(tuple, entry).is_none() {
                self.eviction.push(tuple, settle_at);
                if !settled {
                    self.settling.push_back((settle_at, tuple));
                }
            }
        }
    }
}
