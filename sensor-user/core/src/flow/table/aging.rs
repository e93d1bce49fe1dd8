//! Time in the table: attempts time out, connections close, closed ones are forgotten.

use super::{Change, EvictionQueue, FlowEntry, FlowTable};
use crate::{address::FiveTuple, time::Timestamp};

/// Closed connections without a slot, as a part of the capacity. Beyond these, those that were closed first
/// are forgotten, so that new connections need not evict each other.
const CLOSED_PART: usize = 2;

impl<L: Default + Clone> FlowTable<L> {
    /// Handles everything that is due. To be called at least once a second.
    pub fn advance(&mut self, now: Timestamp, changes: &mut Vec<Change<L>>) {
        self.settle(now, changes);
        self.close(now, changes);
        self.forget(now);
        self.eviction.tidy(&self.flows);
        self.unread += self.early.expire(now);
        self.quic.expire(now);
        self.count_open_quic();
    }

    /// Connections whose time to be answered is over, each once.
    fn settle(&mut self, now: Timestamp, changes: &mut Vec<Change<L>>) {
        while let Some((due, tuple)) = self.settling.front() {
            // No attempt is due later than the wait from now, unless the clock was set back.
            if *due > now && *due <= now + self.options.attempt_settle {
                break;
            }
            if let Some(entry) = self.flows.get_mut(tuple)
                && entry.closed.is_none()
                && entry.settle_at == *due
                && !entry.flow.settled
            {
                entry.flow.settle(&self.options.services);
                changes.push(Change::Updated(*tuple));
            }
            self.settling.pop_front();
        }
    }

    /// Connections that are over: ended a while ago, or idle for too long.
    fn close(&mut self, now: Timestamp, changes: &mut Vec<Change<L>>) {
        let (idle, settle) = (self.options.flow_idle, self.options.attempt_settle);
        let mut closed: Vec<_> = self
            .flows
            .values_mut()
            .filter(|entry| entry.closed.is_none() && entry.is_over(now, idle, settle))
            .map(|entry| {
                entry.close(now, &self.options.services);
                (entry.flow.first, entry.flow.tuple, entry.is_read())
            })
            .collect();
        // In the order of their start, so that the same traffic always gives the same order.
        closed.sort();
        for (_, tuple, is_read) in closed {
            if is_read {
                self.closed_readers.push_back(tuple);
            }
            changes.push(Change::Closed(tuple));
        }
    }

    /// Releases the memory of connections that have been closed for an idle time, and forgets those that cannot continue.
    fn forget(&mut self, now: Timestamp) {
        let idle = self.options.flow_idle;
        let mut readers = self.readers;
        let mut continuable = 0;
        let unsaved = &mut self.unsaved;
        self.flows.retain(|tuple, entry| {
            let Some(closed) = entry.closed else { return true };
            let since = now.since(closed.at);
            if since >= idle {
                readers -= usize::from(entry.is_read());
                entry.release();
            }
            let kept = since < entry.remembered_for(idle);
            if !kept {
                unsaved.note(*tuple);
                readers -= usize::from(entry.is_read());
            } else {
                continuable += usize::from(!entry.flow.has_slots());
            }
            kept
        });
        self.readers = readers;
        self.forget_first_closed(continuable.saturating_sub(self.options.capacity / CLOSED_PART));
        if self.closed_readers.len() > 2 * self.readers + 1_024 {
            let flows = &self.flows;
            self.closed_readers
                .retain(|tuple| flows.get(tuple).is_some_and(|entry| entry.is_closed() && entry.is_read()));
        }
    }

    /// Forgets this many of the connections that were closed first and are in no slot.
    fn forget_first_closed(&mut self, excess: usize) {
        if excess == 0 {
            return;
        }
        let closed = self.flows.values().filter(|entry| !entry.flow.has_slots());
        let mut closed: Vec<(Timestamp, FiveTuple)> =
            closed.filter_map(|entry| Some((entry.closed?.at, entry.flow.tuple))).collect();
        closed.sort();
        for (_, tuple) in closed.into_iter().take(excess) {
            if let Some(entry) = self.flows.remove(&tuple) {
                self.unsaved.note(tuple);
                self.readers -= usize::from(entry.is_read());
            }
        }
    }

    /// Releases the reader of the connection that was closed first; returns whether there was one.
    pub(super) fn release_closed_reader(&mut self) -> bool {
        while let Some(tuple) = self.closed_readers.pop_front() {
            if let Some(entry) = self.flows.get_mut(&tuple)
                && entry.is_closed()
                && entry.is_read()
            {
                entry.release();
                self.readers -= 1;
                return true;
            }
        }
        false
    }

    /// The end of the run: removes every open connection in its present state and remembers nothing.
    pub fn drain(&mut self, changes: &mut Vec<Change<L>>) {
        self.settling.clear();
        self.eviction = EvictionQueue::new();
        self.early.clear();
        self.closed_readers.clear();
        let mut entries: Vec<FlowEntry<L>> = self.flows.drain().map(|(_, entry)| entry).collect();
        entries.sort_by_key(|entry| (entry.flow.first, entry.flow.tuple));
        for entry in entries {
            self.remove(entry, changes);
        }
    }

    /// The end of a run that another will continue: removes the flows for which `stays` is false, and reports those that stay
    /// once more, for their counts.
    pub fn drain_unless(&mut self, stays: impl Fn(&L) -> bool, changes: &mut Vec<Change<L>>) {
        let mut leaving: Vec<FlowEntry<L>> =
            self.flows.extract_if(|_, entry| !stays(&entry.link)).map(|(_, entry)| entry).collect();
        leaving.sort_by_key(|entry| (entry.flow.first, entry.flow.tuple));
        for entry in leaving {
            self.remove(entry, changes);
        }
        let mut staying: Vec<FiveTuple> = self.flows.keys().copied().collect();
        staying.sort();
        changes.extend(staying.into_iter().map(Change::Updated));
    }
}
