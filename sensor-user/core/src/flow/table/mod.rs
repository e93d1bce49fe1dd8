//! The table of connections.
//!
//! Takes observations and pieces of payload with the time as an argument, gives [`Change`]s. Bounded: when it is full, the
//! least valuable connection is evicted ([`eviction`]). A connection that does not fit is counted, never silently ignored.

mod aging;
mod early;
mod entry;
mod eviction;
mod options;
mod quic;
mod stored;
mod unsaved;

use std::collections::{HashMap, VecDeque};

use sensor_common::{
    payload::PieceKind,
    slot::{RecordKind, mark},
};
use sensor_dissect::FingerprintKey;

use self::{early::EarlyPieces, eviction::EvictionQueue, unsaved::Unsaved};
pub use self::{entry::FlowEntry, options::FlowTableOptions, stored::StoredFlow, unsaved::ChangedFlow};
use super::{Flow, marked_ports::MarkedPorts, quic::QuicReaders};
use crate::{
    address::FiveTuple,
    process::{Opening, ProcessLookup},
    record::{Observation, Piece},
    time::{Moment, Timestamp},
};

/// Most connections with a reader at a time.
const MAX_READERS: usize = 16_384;

/// The table of connections. `L` is the caller's link from a connection to its incident; it is kept in the entry.
#[derive(Debug)]
pub struct FlowTable<L> {
    options: FlowTableOptions,
    flows: HashMap<FiveTuple, FlowEntry<L>>,
    /// Connections in the order in which their time to be answered ends.
    settling: VecDeque<(Timestamp, FiveTuple)>,
    eviction: EvictionQueue,
    evicted: u64,
    marked_ports: MarkedPorts,
    lost_records: u64,
    accounted: i64,
    untracked: u64,
    early: EarlyPieces,
    readers: usize,
    /// Closed connections that may still have a reader, in the order in which they were closed.
    closed_readers: VecDeque<FiveTuple>,
    unread: u64,
    quic: QuicReaders,
    unsaved: Unsaved,
}

/// What happened to a connection.
#[derive(Debug)]
pub enum Change<L> {
    /// To be looked at: it began, its evidence rose, facts arrived, its roles became known, its counts doubled, its time to be
    /// answered ended, or it continued after it was closed.
    Updated(FiveTuple),
    /// It is over or idle. Its entry stays in the table for a while, with its link, so that later packets continue it.
    Closed(FiveTuple),
    /// It left the table without being closed before: another connection took its five-tuple, it was evicted, or the run
    /// ended. This is its last state.
    Removed(Box<FlowEntry<L>>),
}

impl<L: Default + Clone> FlowTable<L> {
    /// An empty table.
    #[must_use]
    pub fn new(options: FlowTableOptions) -> Self {
        Self {
            options,
            flows: HashMap::new(),
            settling: VecDeque::new(),
            eviction: EvictionQueue::new(),
            evicted: 0,
            marked_ports: MarkedPorts::default(),
            lost_records: 0,
            accounted: 0,
            untracked: 0,
            early: EarlyPieces::default(),
            readers: 0,
            closed_readers: VecDeque::new(),
            unread: 0,
            quic: QuicReaders::default(),
            unsaved: Unsaved::default(),
        }
    }

    /// Uses this key for the fingerprints of credentials from now on.
    pub fn set_fingerprint_key(&mut self, key: FingerprintKey) {
        self.options.fingerprint_key = key;
    }

    /// Takes the number of records that the ring has lost so far.
    pub const fn set_lost_records(&mut self, lost: u64) {
        self.lost_records = lost;
    }

    /// Merges an observation: a record of the kernel, or a swept slot (`kind` is `None`).
    pub fn observe(
        &mut self,
        kind: Option<RecordKind>,
        seen: &Observation,
        now: Moment,
        lookup: &mut dyn ProcessLookup,
        changes: &mut Vec<Change<L>>,
    ) {
        let clock = self.options.clock;
        let times = (clock.timestamp(seen.first, now), clock.timestamp(seen.last, now));
        let tuple = seen.id.tuple;
        let is_webdav = self.flows.get(&tuple).is_some_and(|entry| entry.flow.is_webdav());
        self.marked_ports.observe(seen, times.1, is_webdav);
        let begins = match self.flows.get(&tuple) {
            None => match self.admit(kind, seen, times, now.at, changes) {
                Some(flow) => Some(flow),
                None => return,
            },
            Some(entry) => entry
                .flow
                .is_followed_by(kind, seen, times.0, entry.is_closed())
                .then(|| entry.flow.successor(times.0)),
        };
        let began = begins.is_some();
        if let Some(flow) = begins {
            if let Some(before) = self.flows.remove(&tuple) {
                self.remove(before, changes);
            }
            self.begin(flow, seen, now, lookup);
        }
        let lost_records = self.lost_records;
        let Some(entry) = self.flows.get_mut(&tuple) else { return };
        let (before, level) = (entry.snapshot(), entry.flow.level);
        let loses = !entry.flow.records_lost && lost_records > entry.flow.lost_before;
        // Every slot is new to a run that goes on with the program of the last one: what that knew need not be saved again.
        if kind.is_some() || began || loses || !entry.flow.knows_slot(seen) {
            self.unsaved.note(tuple);
        }
        entry.flow.records_lost |= loses;
        self.accounted += entry.flow.merge(kind, seen, times, &self.options.services);
        let reopened = entry.goes_on(level);
        if reopened {
            entry.reopen();
        }
        let open = entry.closed.is_none();
        let changed = began || reopened || entry.snapshot() != before;
        let grown = open && entry.has_grown();
        let caught_up = open && self.read_early(&tuple, now);
        if open && (changed || grown || caught_up) {
            changes.push(Change::Updated(tuple));
        }
    }

    /// Puts a connection into the table.
    fn begin(&mut self, mut flow: Flow, seen: &Observation, now: Moment, lookup: &mut dyn ProcessLookup) {
        let tuple = flow.tuple;
        let from_the_start = seen.marks & mark::OPENED_BY_SYN != 0;
        // The sender of a SYN is the client: if that is the external side, no process of this machine opened the connection.
        let inbound = from_the_start && seen.marks & mark::FIRST_FROM_LOCAL == 0;
        if !inbound {
            flow.process = lookup.process_of(&Opening { tuple, ticks: seen.first, from_the_start }, now);
        }
        flow.lost_before = self.lost_records;
        self.insert(flow, now.at);
    }

    fn insert(&mut self, flow: Flow, now: Timestamp) {
        let (tuple, settle_at) = (flow.tuple, now + self.options.attempt_settle);
        self.flows.insert(tuple, FlowEntry::new(flow, L::default(), settle_at));
        self.settling.push_back((settle_at, tuple));
        self.eviction.push(tuple, settle_at);
    }

    /// Returns an entry that was taken out, unless it was reported as closed.
    fn remove(&mut self, mut entry: FlowEntry<L>, changes: &mut Vec<Change<L>>) {
        self.unsaved.note(entry.flow.tuple);
        self.readers -= usize::from(entry.is_read());
        if !entry.is_closed() {
            entry.close(entry.flow.last, &self.options.services);
            entry.reader = None;
            changes.push(Change::Removed(Box::new(entry)));
        }
    }

    /// Reads a piece of payload. If it arrives before the record of its flow, which another CPU wrote, it waits for that.
    pub fn payload(&mut self, piece: &Piece<'_>, now: Moment, changes: &mut Vec<Change<L>>) {
        let tuple = piece.id.tuple;
        if piece.kind == PieceKind::QuicInitial {
            self.initial(piece, now, changes);
        } else if !self.flows.contains_key(&tuple) {
            self.unread += u64::from(!self.early.push(piece, now.at));
        } else if self.read(piece, now) {
            changes.push(Change::Updated(tuple));
        }
    }

    /// Reads the pieces that waited for this connection; returns whether they add something.
    fn read_early(&mut self, tuple: &FiveTuple, now: Moment) -> bool {
        let pieces = self.early.take(tuple);
        pieces.iter().fold(false, |new, early| self.read(&early.piece(), now) | new)
    }

    /// Reads a piece of a connection in the table; returns whether to look at the connection again.
    fn read(&mut self, piece: &Piece<'_>, now: Moment) -> bool {
        let at = self.options.clock.timestamp(piece.at, now);
        let makes_room = self.flows.get(&piece.id.tuple).is_some_and(FlowEntry::is_read)
            || self.readers < MAX_READERS
            || self.release_closed_reader();
        let Some(entry) = self.flows.get_mut(&piece.id.tuple) else { return false };
        self.unsaved.note(piece.id.tuple);
        let reopened = entry.flow.goes_on_at(at) && entry.is_closed();
        if reopened {
            entry.reopen();
        }
        entry.flow.last = entry.flow.last.max(at);
        if piece.kind == PieceKind::FirstPayload {
            return entry.flow.read_first_payload(piece) || reopened;
        }
        if !makes_room {
            self.unread += 1;
            entry.flow.incomplete = true;
            return reopened;
        }
        self.readers += usize::from(!entry.is_read());
        let changed = entry.read(piece, &self.options.fingerprint_key, &self.options.services);
        self.readers -= usize::from(!entry.is_read());
        changed || reopened
    }

    /// Pieces of payload that were not read because all readers were in use.
    #[must_use]
    pub const fn unread(&self) -> u64 {
        self.unread
    }

    /// The marked ports whose marks have expired.
    pub fn expired_ports(&mut self, marked: &[u16], now: Timestamp) -> Vec<u16> {
        self.marked_ports.expired(marked, now)
    }

    /// A connection of the table, open or closed.
    #[must_use]
    pub fn entry(&self, tuple: &FiveTuple) -> Option<&FlowEntry<L>> {
        self.flows.get(tuple)
    }

    /// The same, to change its link.
    pub fn entry_mut(&mut self, tuple: &FiveTuple) -> Option<&mut FlowEntry<L>> {
        let entry = self.flows.get_mut(tuple)?;
        self.unsaved.note(*tuple);
        Some(entry)
    }

    /// All connections of the table, in no particular order.
    pub fn entries(&self) -> impl Iterator<Item = &FlowEntry<L>> {
        self.flows.values()
    }

    /// Connections that are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.values().filter(|entry| !entry.is_closed()).count()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.values().all(FlowEntry::is_closed)
    }

    /// Packets accounted to connections so far.
    #[must_use]
    pub const fn accounted_packets(&self) -> i64 {
        self.accounted
    }

    /// Observations that found the table full of connections that cannot be evicted.
    #[must_use]
    pub const fn untracked(&self) -> u64 {
        self.untracked
    }
}

#[cfg(test)]
mod tests;
