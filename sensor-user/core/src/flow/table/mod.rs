//! The table of conversations.
//!
//! Takes observations with the time as an argument, gives the flows about which something new is to be said. Bounded: when it
//! is full, the conversation that is worth least makes [`room`], and what finds none is counted, never silently left out.

mod early;
mod entry;
mod options;
mod room;

use std::collections::{HashMap, VecDeque};

use sensor_common::{
    payload::PieceKind,
    slot::{RecordKind, mark},
};

pub use self::options::TrackerOptions;
use self::{early::EarlyPiece, entry::Entry, room::Room};
use super::{Conversation, Flow, MORE_THAN_SET_UP, MarkedPorts, departure::Departures, reader::Reader};
use crate::{
    decode::{Observation, Piece},
    dissect::FingerprintKey,
    kernel::ticks::Moment,
    owner::{NoOwners, Opening, Owners},
};

const SECOND: i128 = 1_000_000_000;

/// The table of conversations.
pub struct Tracker {
    options: TrackerOptions,
    owners: Box<dyn Owners>,
    flows: HashMap<Conversation, Entry>,
    /// Conversations in the order in which their time to be answered is up.
    ripening: VecDeque<(i128, Conversation)>,
    room: Room,
    /// The conversation that made room for the last one, until it is taken.
    made_room: Option<Flow>,
    evicted: u64,
    marked_ports: MarkedPorts,
    departures: Departures,
    lost_records: u64,
    accounted: i64,
    untracked: u64,
    early: VecDeque<EarlyPiece>,
    readers: usize,
    unread: u64,
}

/// Conversations whose messages are read at a time, and pieces that wait for their flow.
const MOST_READERS: usize = 16_384;
const MOST_EARLY: usize = 256;

impl Tracker {
    /// An empty table.
    #[must_use]
    pub fn new(options: TrackerOptions) -> Self {
        Self {
            departures: Departures::new(options.departures),
            lost_records: 0,
            options,
            owners: Box::new(NoOwners),
            flows: HashMap::new(),
            ripening: VecDeque::new(),
            room: Room::new(),
            made_room: None,
            evicted: 0,
            marked_ports: MarkedPorts::default(),
            accounted: 0,
            untracked: 0,
            early: VecDeque::new(),
            readers: 0,
            unread: 0,
        }
    }

    /// Asks these for the owner of each conversation when it is first seen, and keeps the answer with it.
    #[must_use]
    pub fn with_owners(self, owners: Box<dyn Owners>) -> Self {
        Self { owners, ..self }
    }

    /// Fingerprints credentials with this key from now on.
    pub fn set_fingerprint_key(&mut self, key: FingerprintKey) {
        self.options.fingerprint_key = key;
    }

    /// Tells how many records the ring has lost so far.
    pub const fn set_lost_records(&mut self, lost: u64) {
        self.lost_records = lost;
    }

    /// Merges what the kernel told of a flow: a record, or a swept slot (`kind` is `None`). Gives the flow when there is
    /// something new to look at: a conversation that began, evidence that rose, too much that left. What leaves in a conversation
    /// that is `exempt` is no part of that.
    pub fn observe_but(
        &mut self,
        kind: Option<RecordKind>,
        seen: &Observation,
        now: Moment,
        exempt: impl FnOnce(&Flow) -> bool,
    ) -> Option<&Flow> {
        let clock = self.options.clock;
        let times = (clock.unix_nanos(seen.first, now), clock.unix_nanos(seen.last, now));
        self.marked_ports.note(seen, times.1);
        let ends = Conversation::of(&seen.key);
        let ripe_at = now.unix_nanos + i128::from(self.options.attempt_settle) * SECOND;
        let fresh = if self.flows.contains_key(&ends) {
            None
        } else {
            Some(self.admits(ends, kind, seen, times, now.unix_nanos)?)
        };
        let (owners, lost_before) = (&mut self.owners, self.lost_records);
        let mut new_entry = |mut flow: Flow| {
            let from_the_start = seen.marks & mark::OPENED_BY_SYN != 0;
            // The sender of a SYN is the client: from the external side no process of ours opened anything.
            let inbound = from_the_start && seen.marks & mark::FIRST_FROM_LOCAL == 0;
            let opening = Opening { ends, ticks: seen.first, from_the_start };
            flow.owner = if inbound { None } else { owners.owner_of(&opening, now) };
            flow.lost_before = lost_before;
            Entry { flow, ripe_at, closed_at: None, reader: None }
        };
        let mut began = false;
        let entry = match self.flows.entry(ends) {
            std::collections::hash_map::Entry::Occupied(entry) => {
                let entry = entry.into_mut();
                if entry.closed_at.is_some() && kind == Some(RecordKind::Opened) {
                    // The same ports again: a new conversation.
                    *entry = new_entry(entry.flow.successor(times.0));
                    began = true;
                }
                entry
            }
            std::collections::hash_map::Entry::Vacant(vacant) => {
                began = true;
                vacant.insert(new_entry(fresh.unwrap_or_else(|| Flow::new(ends, times.0))))
            }
        };
        if began {
            self.ripening.push_back((ripe_at, ends));
            self.room.began(ends, ripe_at);
        }
        let limit = self.options.departures.bytes;
        let told = |flow: &Flow| {
            let left = flow.payload_from_inside();
            (flow.evidence, left > MORE_THAN_SET_UP, left >= limit, flow.departure.map(|it| it.cause))
        };
        let before = told(&entry.flow);
        let services = &self.options.services;
        self.accounted += entry.flow.merge(kind, seen, times, |port| services.service(ends.transport, port));
        self.departures.count(&mut entry.flow, now.unix_nanos, exempt);
        let news = began || told(&entry.flow) != before;
        let open = entry.closed_at.is_none();
        let caught_up = open && !self.early.is_empty() && self.catch_up(ends);
        let entry = self.flows.get(&ends)?;
        ((news || caught_up) && open).then_some(&entry.flow)
    }

    /// Reads the pieces that waited for this conversation; tells whether they brought something new.
    fn catch_up(&mut self, ends: Conversation) -> bool {
        let (mine, others): (VecDeque<_>, _) =
            std::mem::take(&mut self.early).into_iter().partition(|early| early.ends == ends);
        self.early = others;
        mine.iter().fold(false, |new, early| self.piece(&early.piece()).is_some() | new)
    }

    /// Reads a piece of payload. Gives the flow when that brought something new to judge. A piece may be read before the
    /// record of its flow, which another CPU wrote: it waits for that one.
    pub fn piece(&mut self, piece: &Piece<'_>) -> Option<&Flow> {
        let ends = Conversation::of(&piece.key);
        let Some(entry) = self.flows.get_mut(&ends) else {
            if self.early.len() < MOST_EARLY {
                self.early.push_back(EarlyPiece::of(ends, piece));
            } else {
                self.unread += 1;
            }
            return None;
        };
        if entry.closed_at.is_some() {
            return None;
        }
        if !entry.is_read() {
            if self.readers >= MOST_READERS {
                self.unread += 1;
                return None;
            }
            self.readers += 1;
        }
        if piece.kind == PieceKind::Datagram {
            return entry.flow.hear(piece).then_some(&entry.flow);
        }
        let key = &self.options.fingerprint_key;
        entry.reader.get_or_insert_with(|| Box::new(Reader::for_piece(piece, key.clone())));
        entry.read(piece).then_some(&entry.flow)
    }

    /// Pieces of payload that nobody could read for want of room.
    #[must_use]
    pub const fn unread(&self) -> u64 {
        self.unread
    }

    /// Conversations whose time to be answered is up, each once.
    pub fn ripe(&mut self, now: i128) -> Vec<Flow> {
        let wait = i128::from(self.options.attempt_settle) * SECOND;
        let mut ripe = Vec::new();
        while let Some((due, ends)) = self.ripening.front() {
            // Nothing is due later than the wait from now, unless the clock was set back.
            if *due > now && *due <= now + wait {
                break;
            }
            if let Some(entry) = self.flows.get_mut(ends)
                && entry.closed_at.is_none()
                && entry.ripe_at == *due
            {
                entry.flow.stop_waiting();
                ripe.push(entry.flow.clone());
            }
            self.ripening.pop_front();
        }
        ripe
    }

    /// Conversations that are over: ended and waited for, or idle for too long. Each is given once.
    pub fn closed(&mut self, now: i128) -> Vec<Flow> {
        let idle = i128::from(self.options.flow_idle) * SECOND;
        let settle = i128::from(self.options.attempt_settle) * SECOND;
        let mut closed = Vec::new();
        let mut readers = self.readers;
        self.flows.retain(|_, entry| match entry.closed_at {
            None if entry.is_done(now, idle, settle) => {
                entry.closed_at = Some(now);
                readers -= usize::from(entry.is_read());
                entry.flow.stop_waiting();
                closed.push(entry.flow.clone());
                entry.stop_reading();
                true
            }
            Some(at) => entry.is_remembered(now - at),
            None => true,
        });
        self.readers = readers;
        self.room.tidy(&self.flows);
        // Their flows did not come within a second or more: their records were lost, or they are none of ours.
        self.unread += self.early.len() as u64;
        self.early.clear();
        in_order(closed)
    }

    /// Every conversation that was not given as closed yet, as at the end of the run. What left is counted anew from here.
    pub fn drain(&mut self) -> Vec<Flow> {
        self.departures = Departures::new(self.options.departures);
        self.ripening.clear();
        self.room = Room::new();
        self.early.clear();
        self.readers = 0;
        let open = self.flows.drain().filter(|(_, entry)| entry.closed_at.is_none());
        let ended = open.map(|(_, mut entry)| {
            entry.flow.stop_waiting();
            entry.flow
        });
        in_order(ended.collect())
    }

    /// Of the ports that the kernel marked, those whose time is up.
    pub fn expired_ports(&mut self, marked: &[u16], now: i128) -> Vec<u16> {
        self.marked_ports.expired(marked, now)
    }

    /// A conversation that is not over.
    #[must_use]
    pub fn open(&self, ends: &Conversation) -> Option<&Flow> {
        self.flows.get(ends).filter(|entry| entry.closed_at.is_none()).map(|entry| &entry.flow)
    }

    /// Conversations held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.values().filter(|entry| entry.closed_at.is_none()).count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Packets accounted to flows so far.
    #[must_use]
    pub const fn accounted_packets(&self) -> i64 {
        self.accounted
    }

    /// Observations that found the table full of what nothing makes room for.
    #[must_use]
    pub const fn untracked(&self) -> u64 {
        self.untracked
    }
}

/// The flows in the order in which they began, so that the same traffic is always told in the same order.
fn in_order(mut flows: Vec<Flow>) -> Vec<Flow> {
    flows.sort_by_key(|flow| (flow.first, flow.ends.local, flow.ends.remote, flow.ends.transport));
    flows
}

#[cfg(test)]
mod tests;
