//! The table of conversations.
//!
//! Takes observations with the time as an argument, gives the flows about which something new is to be said. Bounded:
//! what does not fit is counted, never silently left out.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use sensor_common::{
    payload::PieceKind,
    slot::{RecordKind, Side, mark},
};

use super::{Conversation, Evidence, Flow, reader::Reader};
use crate::{
    config::ServicePorts,
    decode::{FlowKey, Observation, Piece},
    dissect::FingerprintKey,
    kernel::ticks::{Moment, TickClock},
    owner::{NoOwners, Opening, Owners},
};

const SECOND: i128 = 1_000_000_000;

/// Time after the end of a conversation in which late packets still belong to it and are waited for.
const LINGER: i128 = 2 * SECOND;

/// Time for which an ended conversation is remembered at least, so that a very late packet is no news.
const REMEMBER: i128 = 60 * SECOND;

/// Time after which it is forgotten even if its slot was never heard of again.
const FORGET: i128 = 86_400 * SECOND;

/// Time without a packet after which an unanswered attempt is given up; Linux sends its last SYN after 127 s.
const ATTEMPT_IDLE: i128 = 150 * SECOND;

/// How the tracker works.
#[derive(Clone, Debug)]
pub struct TrackerOptions {
    /// Watched ports.
    pub services: ServicePorts,
    /// Kernel ticks to time.
    pub clock: TickClock,
    /// Seconds that an attempt is given to be answered.
    pub attempt_settle: u64,
    /// Seconds after which an untouched flow is over.
    pub flow_idle: u64,
    /// Conversations held at a time.
    pub capacity: usize,
    /// Bytes that leave the internal networks over one conversation before that is news.
    pub data_leaving_bytes: u64,
    /// Key of the fingerprints of credentials.
    pub fingerprint_key: FingerprintKey,
}

/// The table of conversations.
pub struct Tracker {
    options: TrackerOptions,
    owners: Box<dyn Owners>,
    flows: HashMap<Conversation, Entry>,
    /// Attempts in the order in which they become ripe.
    ripening: VecDeque<(i128, Conversation)>,
    accounted: i64,
    untracked: u64,
    early: VecDeque<EarlyPiece>,
    readers: usize,
    unread: u64,
}

struct Entry {
    flow: Flow,
    closed_at: Option<i128>,
    reader: Option<Box<Reader>>,
}

impl Entry {
    /// Reads a piece; tells whether there is something new.
    fn read(&mut self, piece: &Piece<'_>) -> bool {
        let Some(reader) = &mut self.reader else { return false };
        let new = reader.piece(piece, self.flow.client);
        if new {
            self.flow.learn(Arc::new(reader.facts().clone()), reader.position());
        }
        new
    }
}

/// A piece whose flow is not known yet.
struct EarlyPiece {
    ends: Conversation,
    ifindex: u32,
    side: Side,
    kind: PieceKind,
    sequence: u32,
    wanted: u32,
    at: u32,
    bytes: Vec<u8>,
}

impl EarlyPiece {
    fn of(ends: Conversation, piece: &Piece<'_>) -> Self {
        Self {
            ends,
            ifindex: piece.key.ifindex,
            side: piece.side,
            kind: piece.kind,
            sequence: piece.sequence,
            wanted: piece.wanted,
            at: piece.at,
            bytes: piece.bytes.to_vec(),
        }
    }

    fn piece(&self) -> Piece<'_> {
        Piece {
            key: FlowKey {
                transport: self.ends.transport,
                local: self.ends.local,
                remote: self.ends.remote,
                ifindex: self.ifindex,
            },
            side: self.side,
            kind: self.kind,
            sequence: self.sequence,
            wanted: self.wanted,
            at: self.at,
            bytes: &self.bytes,
        }
    }
}

/// Conversations whose messages are read at a time, and pieces that wait for their flow.
const MOST_READERS: usize = 16_384;
const MOST_EARLY: usize = 256;

impl Tracker {
    /// An empty table.
    #[must_use]
    pub fn new(options: TrackerOptions) -> Self {
        Self {
            options,
            owners: Box::new(NoOwners),
            flows: HashMap::new(),
            ripening: VecDeque::new(),
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

    /// Merges what the kernel told of a flow: a record, or a swept slot (`kind` is `None`). Gives the flow when there is
    /// something new to judge: an attempt that was answered, evidence that rose.
    pub fn observe(&mut self, kind: Option<RecordKind>, seen: &Observation, now: Moment) -> Option<&Flow> {
        let clock = self.options.clock;
        let times = (clock.unix_nanos(seen.first, now), clock.unix_nanos(seen.last, now));
        let ends =
            Conversation { transport: seen.key.transport, local: seen.key.local, remote: seen.key.remote };
        let ripe_at = now.unix_nanos + i128::from(self.options.attempt_settle) * SECOND;
        let full = self.flows.len() >= self.options.capacity;
        let owners = &mut self.owners;
        let mut new_entry = |mut flow: Flow| {
            let from_the_start = seen.marks & mark::OPENED_BY_SYN != 0;
            // The sender of a SYN is the client: from the external side no process of ours opened anything.
            let inbound = from_the_start && seen.marks & mark::FIRST_FROM_LOCAL == 0;
            let opening = Opening { ends, ticks: seen.first, from_the_start };
            flow.owner = if inbound { None } else { owners.owner_of(&opening, now) };
            Entry { flow, closed_at: None, reader: None }
        };
        let entry = match self.flows.entry(ends) {
            std::collections::hash_map::Entry::Occupied(entry) => {
                let entry = entry.into_mut();
                if entry.closed_at.is_some() && kind == Some(RecordKind::Opened) {
                    // The same ports again: a new conversation.
                    *entry = new_entry(entry.flow.successor(times.0));
                    self.ripening.push_back((ripe_at, ends));
                }
                entry
            }
            // It was told, and forgotten while its slot was left alone: all its packets were accounted then.
            std::collections::hash_map::Entry::Vacant(_)
                if kind == Some(RecordKind::Settled) && now.unix_nanos - times.1 > FORGET =>
            {
                return None;
            }
            std::collections::hash_map::Entry::Vacant(_) if full => {
                self.untracked += 1;
                return None;
            }
            std::collections::hash_map::Entry::Vacant(vacant) => {
                self.ripening.push_back((ripe_at, ends));
                vacant.insert(new_entry(Flow::new(ends, times.0)))
            }
        };
        let limit = self.options.data_leaving_bytes;
        let before = (entry.flow.evidence, entry.flow.payload_from_inside() >= limit);
        let services = &self.options.services;
        self.accounted += entry.flow.merge(kind, seen, times, |port| services.service(ends.transport, port));
        let rose = entry.flow.evidence > before.0 || entry.flow.payload_from_inside() >= limit && !before.1;
        let open = entry.closed_at.is_none();
        let caught_up = open && !self.early.is_empty() && self.catch_up(ends);
        let entry = self.flows.get(&ends)?;
        ((rose || caught_up) && open).then_some(&entry.flow)
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
        let ends =
            Conversation { transport: piece.key.transport, local: piece.key.local, remote: piece.key.remote };
        let Some(entry) = self.flows.get_mut(&ends) else {
            let room = self.early.len() < MOST_EARLY && piece.kind != PieceKind::Datagram;
            if room {
                self.early.push_back(EarlyPiece::of(ends, piece));
            } else {
                self.unread += 1;
            }
            return None;
        };
        if entry.closed_at.is_some() {
            return None;
        }
        if entry.reader.is_none() {
            if self.readers >= MOST_READERS {
                self.unread += 1;
                return None;
            }
            entry.reader = Reader::for_piece(piece, self.options.fingerprint_key.clone()).map(Box::new);
            self.readers += usize::from(entry.reader.is_some());
        }
        entry.read(piece).then_some(&entry.flow)
    }

    /// Pieces of payload that nobody could read for want of room.
    #[must_use]
    pub const fn unread(&self) -> u64 {
        self.unread
    }

    /// Attempts whose time to be answered is up, each once.
    pub fn ripe(&mut self, now: i128) -> Vec<Flow> {
        let mut ripe = Vec::new();
        while let Some((due, ends)) = self.ripening.front() {
            if *due > now {
                break;
            }
            if let Some(entry) = self.flows.get(ends)
                && entry.closed_at.is_none()
            {
                ripe.push(entry.flow.clone());
            }
            self.ripening.pop_front();
        }
        ripe
    }

    /// When the next attempt becomes ripe, nanoseconds since the epoch.
    #[must_use]
    pub fn next_ripe(&self) -> Option<i128> {
        self.ripening.front().map(|(due, _)| *due)
    }

    /// Conversations that are over: ended and waited for, or idle for too long. Each is given once.
    pub fn closed(&mut self, now: i128) -> Vec<Flow> {
        let idle = i128::from(self.options.flow_idle) * SECOND;
        let mut closed = Vec::new();
        let mut readers = self.readers;
        self.flows.retain(|_, entry| {
            let quiet = now - entry.flow.last;
            let done = match entry.flow.evidence {
                _ if entry.flow.over => quiet >= LINGER.max(i128::from(self.options.attempt_settle) * SECOND),
                Evidence::Attempt => quiet >= ATTEMPT_IDLE.min(idle),
                _ => quiet > idle,
            };
            match entry.closed_at {
                None if done => {
                    entry.closed_at = Some(now);
                    readers -= usize::from(entry.reader.take().is_some());
                    closed.push(entry.flow.clone());
                    true
                }
                // While a slot still holds it, its settled record is to come, and that is no new conversation.
                Some(at) => now - at < if entry.flow.in_slots() { FORGET } else { REMEMBER },
                None => true,
            }
        });
        self.readers = readers;
        // Their flows did not come within a second or more: their records were lost, or they are none of ours.
        self.unread += self.early.len() as u64;
        self.early.clear();
        in_order(closed)
    }

    /// Every conversation that was not given as closed yet, as at the end of the run.
    pub fn drain(&mut self) -> Vec<Flow> {
        self.ripening.clear();
        self.early.clear();
        self.readers = 0;
        let open = self.flows.drain().filter(|(_, entry)| entry.closed_at.is_none());
        in_order(open.map(|(_, entry)| entry.flow).collect())
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

    /// Observations that found the table full.
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
mod tests {
    use sensor_common::slot::{TCP, tcp};

    use super::*;
    use crate::decode::Counts;

    const CLOCK: TickClock = TickClock::with_tick(4_000_000);

    fn tracker() -> Tracker {
        Tracker::new(TrackerOptions {
            services: ServicePorts::default(),
            clock: CLOCK,
            attempt_settle: 3,
            flow_idle: 1_800,
            capacity: 4,
            data_leaving_bytes: 1 << 20,
            fingerprint_key: FingerprintKey::new([1; 32]),
        })
    }

    fn at(seconds: i128) -> Moment {
        Moment { unix_nanos: seconds * SECOND, ticks: (seconds * 250) as u32 }
    }

    fn seen(tcp_flags: [u8; 2], packets: [u64; 2], now: Moment) -> Observation {
        Observation {
            key: FlowKey {
                transport: TCP,
                local: "10.0.0.2:50000".parse().unwrap(),
                remote: "8.8.4.4:445".parse().unwrap(),
                ifindex: 2,
            },
            cpu: 0,
            generation: 2,
            marks: mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN,
            tcp_flags,
            counts: Counts { packets, bytes: packets.map(|n| n * 60), payload: [0; 2] },
            first: now.ticks,
            last: now.ticks,
            vlan: None,
        }
    }

    const SYN: [u8; 2] = [tcp::SYN, 0];
    const OPEN: [u8; 2] = [tcp::SYN | tcp::ACK, tcp::SYN | tcp::ACK];

    #[test]
    fn a_lone_syn_is_told_once_when_its_time_is_up() {
        let mut tracker = tracker();
        assert!(tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(10)), at(10)).is_none());
        assert!(tracker.ripe(at(12).unix_nanos).is_empty());
        let ripe = tracker.ripe(at(13).unix_nanos);
        assert_eq!(ripe.len(), 1);
        assert_eq!(ripe[0].evidence, Evidence::Attempt);
        assert!(tracker.ripe(at(99).unix_nanos).is_empty());
    }

    #[test]
    fn an_answer_is_told_at_once() {
        let mut tracker = tracker();
        let _ = tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(10)), at(10));
        let flow = tracker.observe(Some(RecordKind::Rose), &seen(OPEN, [2, 1], at(10)), at(10)).unwrap();
        assert_eq!(flow.evidence, Evidence::Established);
        assert_eq!(flow.client, Side::Local);
    }

    #[test]
    fn directions_on_different_cpus_are_one_flow() {
        let mut tracker = tracker();
        let _ =
            tracker.observe(Some(RecordKind::Opened), &seen([tcp::SYN | tcp::ACK, 0], [2, 0], at(1)), at(1));
        let other = Observation { cpu: 1, marks: 0, ..seen([0, tcp::SYN | tcp::ACK], [0, 1], at(1)) };
        let flow = tracker.observe(Some(RecordKind::Opened), &other, at(1)).unwrap();
        assert_eq!(flow.counts().packets, [2, 1]);
        assert_eq!(flow.client, Side::Local);
        assert_eq!(tracker.accounted_packets(), 3);
    }

    fn stay(generation: u32, seen: Observation) -> Observation {
        Observation { generation, ..seen }
    }

    #[test]
    fn settled_counts_add_up_with_live_ones() {
        let mut tracker = tracker();
        let _ = tracker.observe(Some(RecordKind::Opened), &stay(2, seen(OPEN, [1, 0], at(1))), at(1));
        let _ = tracker.observe(Some(RecordKind::Settled), &stay(2, seen(OPEN, [10, 5], at(2))), at(2));
        let _ = tracker.observe(Some(RecordKind::Opened), &stay(6, seen(OPEN, [1, 0], at(3))), at(3));
        let _ = tracker.observe(None, &stay(6, seen(OPEN, [4, 4], at(4))), at(4));
        assert_eq!(tracker.accounted_packets(), 23);
    }

    #[test]
    fn a_lost_settled_record_keeps_what_the_sweep_saw() {
        let mut tracker = tracker();
        let _ = tracker.observe(None, &stay(2, seen(OPEN, [10, 5], at(1))), at(1));
        let _ = tracker.observe(Some(RecordKind::Opened), &stay(6, seen(OPEN, [1, 0], at(3))), at(3));
        assert_eq!(tracker.accounted_packets(), 16);
    }

    #[test]
    fn records_that_are_read_after_a_sweep_saw_more_take_nothing_back_and_count_nothing_twice() {
        let mut tracker = tracker();
        let _ = tracker.observe(None, &seen(OPEN, [5, 4], at(1)), at(1));
        let _ = tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(1)), at(1));
        let _ = tracker.observe(Some(RecordKind::Rose), &seen(OPEN, [2, 1], at(1)), at(1));
        assert_eq!(tracker.accounted_packets(), 9);
        let _ = tracker.observe(Some(RecordKind::Settled), &seen(OPEN, [5, 4], at(2)), at(2));
        assert_eq!(tracker.accounted_packets(), 9);
    }

    #[test]
    fn a_slot_that_is_evicted_long_after_its_flow_ended_is_no_new_flow() {
        let mut tracker = tracker();
        let ended = seen([tcp::SYN | tcp::ACK | tcp::RST, tcp::SYN | tcp::ACK], [4, 4], at(1));
        let _ = tracker.observe(Some(RecordKind::Closed), &ended, at(1));
        assert_eq!(tracker.closed(at(5).unix_nanos).len(), 1);
        assert!(tracker.closed(at(700).unix_nanos).is_empty());
        assert!(tracker.observe(Some(RecordKind::Settled), &ended, at(701)).is_none());
        assert_eq!(tracker.accounted_packets(), 8);
        assert!(tracker.closed(at(800).unix_nanos).is_empty() && tracker.is_empty());
    }

    #[test]
    fn a_slot_that_is_evicted_when_its_flow_is_long_forgotten_is_no_new_flow() {
        let mut tracker = tracker();
        let first = seen(OPEN, [4, 4], at(1));
        let _ = tracker.observe(Some(RecordKind::Opened), &first, at(1));
        assert_eq!(tracker.closed(at(5_000).unix_nanos).len(), 1);
        let days = 200_000;
        assert!(tracker.closed(at(days).unix_nanos).is_empty() && tracker.is_empty());
        assert!(tracker.observe(Some(RecordKind::Settled), &first, at(days)).is_none());
        let _ = tracker.observe(Some(RecordKind::Opened), &stay(4, seen(SYN, [1, 0], at(days))), at(days));
        let flow = tracker.drain().remove(0);
        assert_eq!((flow.evidence, flow.counts().packets), (Evidence::Attempt, [1, 0]));
        assert_eq!(tracker.accounted_packets(), 9);
    }

    #[test]
    fn a_packet_that_passes_two_interfaces_counts_once_in_its_flow() {
        let mut tracker = tracker();
        let one = seen(OPEN, [3, 3], at(1));
        let two = Observation {
            key: FlowKey { ifindex: 9, ..one.key },
            counts: Counts { packets: [3, 2], ..one.counts },
            ..one
        };
        let _ = tracker.observe(None, &one, at(1));
        let _ = tracker.observe(None, &two, at(1));
        let flow = tracker.drain().remove(0);
        assert_eq!(flow.counts().packets, [3, 3]);
        assert_eq!(flow.interfaces(), [2, 9]);
    }

    #[test]
    fn an_ended_flow_is_given_once_and_a_late_packet_does_not_bring_it_back() {
        let mut tracker = tracker();
        let ended = seen([tcp::SYN | tcp::ACK | tcp::FIN, tcp::SYN | tcp::ACK | tcp::FIN], [4, 4], at(1));
        let _ = tracker.observe(Some(RecordKind::Closed), &ended, at(1));
        assert!(tracker.closed(at(2).unix_nanos).is_empty(), "late packets are waited for");
        assert_eq!(tracker.closed(at(5).unix_nanos).len(), 1);
        let late = Observation { counts: Counts { packets: [5, 4], ..ended.counts }, ..ended };
        assert!(tracker.observe(None, &late, at(6)).is_none());
        assert!(tracker.closed(at(7).unix_nanos).is_empty());
        assert!(tracker.drain().is_empty());
    }

    #[test]
    fn the_same_ports_after_the_end_are_a_new_flow() {
        let mut tracker = tracker();
        let ended = seen([tcp::SYN | tcp::ACK | tcp::RST, tcp::SYN | tcp::ACK], [4, 4], at(1));
        let _ = tracker.observe(Some(RecordKind::Closed), &ended, at(1));
        assert_eq!(tracker.closed(at(5).unix_nanos).len(), 1);
        let _ = tracker.observe(Some(RecordKind::Opened), &stay(6, seen(SYN, [1, 0], at(6))), at(6));
        let flow = tracker.drain().remove(0);
        assert_eq!((flow.evidence, flow.counts().packets), (Evidence::Attempt, [1, 0]));
    }

    #[test]
    fn a_full_table_counts_what_it_cannot_hold() {
        let mut tracker = tracker();
        for port in 1..=6 {
            let mut one = seen(SYN, [1, 0], at(1));
            one.key.local.set_port(port);
            let _ = tracker.observe(Some(RecordKind::Opened), &one, at(1));
        }
        assert_eq!((tracker.len(), tracker.untracked()), (4, 2));
    }

    #[test]
    fn a_syn_from_a_service_port_is_still_the_clients() {
        let mut tracker = tracker();
        let mut probe = seen([0, tcp::SYN], [0, 1], at(1));
        probe.marks = mark::OPENED_BY_SYN;
        let _ = tracker.observe(Some(RecordKind::Opened), &probe, at(1));
        assert_eq!(tracker.drain()[0].client, Side::Remote);
    }

    /// Knows one owner, and tells what it was asked for.
    struct Asked(std::rc::Rc<std::cell::RefCell<Vec<Opening>>>);

    impl Owners for Asked {
        fn owner_of(&mut self, opening: &Opening, _: Moment) -> Option<Arc<crate::owner::Owner>> {
            self.0.borrow_mut().push(*opening);
            (self.0.borrow().len() == 1).then(|| Arc::new(crate::alert::tests::everything_known()))
        }
    }

    #[test]
    fn an_owner_is_asked_for_once_and_stays_with_the_conversation_alone() {
        let asked = Asked(std::rc::Rc::default());
        let openings = std::rc::Rc::clone(&asked.0);
        let mut tracker = tracker().with_owners(Box::new(asked));
        let _ = tracker.observe(Some(RecordKind::Opened), &seen(SYN, [1, 0], at(1)), at(1));
        let risen = tracker.observe(Some(RecordKind::Rose), &seen(OPEN, [2, 1], at(2)), at(2)).unwrap();
        assert!(risen.owner.is_some());
        let first = openings.borrow()[0];
        assert_eq!((first.ticks, first.from_the_start, openings.borrow().len()), (250, true, 1));

        let ended = seen([tcp::SYN | tcp::ACK | tcp::RST, tcp::SYN | tcp::ACK], [4, 4], at(3));
        let _ = tracker.observe(Some(RecordKind::Closed), &ended, at(3));
        assert!(tracker.closed(at(9).unix_nanos)[0].owner.is_some());
        let _ = tracker.observe(Some(RecordKind::Opened), &stay(6, seen(SYN, [1, 0], at(10))), at(10));
        assert!(tracker.drain()[0].owner.is_none(), "the same ends are somebody else's now");
        assert_eq!(openings.borrow().len(), 2);
    }

    #[test]
    fn what_a_stranger_opens_has_no_owner_to_ask_for() {
        let asked = Asked(std::rc::Rc::default());
        let openings = std::rc::Rc::clone(&asked.0);
        let mut tracker = tracker().with_owners(Box::new(asked));
        let mut probe = seen([0, tcp::SYN], [0, 1], at(1));
        probe.marks = mark::OPENED_BY_SYN;
        let _ = tracker.observe(Some(RecordKind::Opened), &probe, at(1));
        assert!(openings.borrow().is_empty());
    }
}
