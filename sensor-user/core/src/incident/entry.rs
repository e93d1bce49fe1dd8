//! An incident in the book, with its key, its last written state, and the targets that it distinguishes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Incident, IncidentAction, IncidentEvent, Milestone, SETTLED, Scope, TargetCounts,
    relations::{Relations, Shared},
};
use crate::{
    address::{Direction, FiveTuple},
    level::EvidenceLevel,
    time::Timestamp,
};

/// Shortest time between two updates of one incident.
const UPDATE_INTERVAL: Duration = Duration::from_secs(2);

/// Time between two updates of an incident that continues and shows nothing new.
const QUIET_INTERVAL: Duration = Duration::from_secs(86_400);

/// Payload that has to be added before doubled payload is worth an update.
const MIN_GROWTH: u64 = 64 * 1024;

/// Targets of one incident that are distinguished.
const MAX_TARGETS: usize = 4_096;

/// What an incident is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Key {
    /// Two hosts and who of them opened the connections.
    Pair {
        /// Internal host.
        internal: IpAddr,
        /// External host.
        external: IpAddr,
        /// Direction.
        direction: Direction,
    },
    /// A client that got no further than a connection with any of its servers.
    Client {
        /// Client.
        client: IpAddr,
        /// Direction.
        direction: Direction,
    },
    /// An internal server whose port answers strangers.
    Exposure {
        /// Server.
        server: IpAddr,
        /// IP protocol number.
        transport: u8,
        /// Port.
        port: u16,
    },
    /// One connection.
    Connection {
        /// The connection.
        tuple: FiveTuple,
        /// Its first packet.
        first: Timestamp,
    },
}

impl Key {
    /// What the incident is about.
    pub(crate) const fn scope(&self) -> Scope {
        match self {
            Self::Pair { .. } => Scope::Pair,
            Self::Client { .. } => Scope::Client,
            Self::Exposure { .. } => Scope::Exposure,
            Self::Connection { .. } => Scope::Connection,
        }
    }
}

/// What was last written of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    at: Timestamp,
    connections: u64,
    packets: u64,
    payload: u64,
    targets: u64,
    #[serde(default)]
    left_out: u64,
}

/// An incident in the book. It is stored as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredIncident {
    /// The incident.
    pub incident: Incident,
    pub(crate) key: Key,
    pub(crate) written: Option<Written>,
    /// Something is to be written.
    pub(crate) pending: bool,
    /// It was closed before, and nothing new was seen since.
    pub(crate) quiet: bool,
    /// When the last related incident was found that no document has.
    #[serde(default)]
    pub(crate) linked: Option<Timestamp>,
    /// The other side of the incident: servers of a client, clients of an exposed server.
    pub(crate) targets: BTreeMap<IpAddr, EvidenceLevel>,
    /// What it has, or had, that other incidents may have too.
    #[serde(default)]
    pub(crate) shared: BTreeSet<Shared>,
    /// When it was last written for nothing but the number of related incidents that it does not list.
    #[serde(default)]
    pub(crate) recounted: Option<Timestamp>,
}

impl StoredIncident {
    pub(crate) const fn new(incident: Incident, key: Key) -> Self {
        Self {
            incident,
            key,
            written: None,
            pending: false,
            quiet: false,
            linked: None,
            targets: BTreeMap::new(),
            shared: BTreeSet::new(),
            recounted: None,
        }
    }

    /// Whether it was opened, and a person knows of it.
    pub(crate) const fn is_announced(&self) -> bool {
        self.written.is_some()
    }

    /// Counts how far a connection got with one of the targets. Returns whether the target is new.
    pub(crate) fn count_target(&mut self, target: IpAddr, level: EvidenceLevel) -> bool {
        if let Some(known) = self.targets.get_mut(&target) {
            let before = *known;
            *known = before.max(level);
            let after = *known;
            if let Some(counts) = &mut self.incident.targets {
                counts.count(before, -1);
                counts.count(after, 1);
            }
            return false;
        }
        let internal_is_one = matches!(self.key, Key::Exposure { .. })
            || matches!(self.key, Key::Client { direction: Direction::Outbound, .. });
        let party = if internal_is_one { &mut self.incident.external } else { &mut self.incident.internal };
        if self.targets.len() >= MAX_TARGETS {
            party.at_least = true;
            return false;
        }
        self.targets.insert(target, level);
        if !party.addresses.contains(&target) {
            party.add(target);
        }
        self.incident.targets.get_or_insert_default().count(level, 1);
        true
    }

    /// The only target, if there is one alone.
    pub(crate) fn only_target(&self) -> Option<IpAddr> {
        let mut targets = self.targets.keys();
        targets.next().copied().filter(|_| targets.next().is_none())
    }

    /// Whether the last document says less than is known by now.
    pub(crate) fn has_grown(&self) -> bool {
        let Some(written) = &self.written else { return false };
        let counted = &self.incident.counted;
        counted.connections != written.connections
            || counted.packets[0] + counted.packets[1] != written.packets
    }

    /// Notes that a later incident is related. The first one is worth an update at once; of a wave, the others are in one update at its
    /// end.
    pub(crate) fn note_link(&mut self, is_first: bool, now: Timestamp) {
        self.linked = Some(now);
        self.pending |= is_first && self.incident.closed.is_none();
    }

    /// Whether related incidents are to be written that no document has.
    pub(crate) fn has_settled_links(&self, now: Timestamp) -> bool {
        self.is_announced() && self.linked.is_some_and(|linked| now.distance(linked) >= SETTLED)
    }

    /// Whether its counts doubled since it was last written.
    pub(crate) fn has_doubled(&self) -> bool {
        let Some(written) = &self.written else { return false };
        let counted = &self.incident.counted;
        let payload = counted.payload[0] + counted.payload[1];
        let targets = self.incident.targets.map_or(0, |counts| counts.targets);
        counted.connections >= 2 * written.connections.max(1)
            || payload >= 2 * written.payload && payload >= written.payload + MIN_GROWTH
            || targets >= 2 * written.targets.max(1)
    }

    /// Whether something about it is to be written now.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let Some(written) = &self.written else { return false };
        // A clock that was set back must not silence it.
        let passed = now.distance(written.at);
        if self.pending {
            return passed >= UPDATE_INTERVAL;
        }
        if self.has_settled_links(now) {
            return true;
        }
        if self.quiet {
            return passed >= QUIET_INTERVAL && self.incident.last > written.at;
        }
        passed >= UPDATE_INTERVAL && self.has_doubled()
    }

    /// Counts the incidents that have something in common with it and that it does not list. Returns whether the count is another one.
    pub(crate) fn count_left_out(&mut self, relations: &Relations) -> bool {
        let related = &self.incident.related;
        let left_out = relations.left_out(self.incident.id, &self.shared, related);
        std::mem::replace(&mut self.incident.related.left_out, left_out) != left_out
    }

    /// Makes an event of it for nothing but that number, if the last one has another: once a day at most, as each of many incidents may
    /// count each new one.
    pub(crate) fn write_recounted(&mut self, relations: &Relations, now: Timestamp) -> Option<IncidentEvent> {
        let is_known = self.written.is_some_and(|it| it.left_out == self.incident.related.left_out);
        let was_lately = self.recounted.is_some_and(|at| now.distance(at) < QUIET_INTERVAL);
        if is_known || was_lately || self.linked.is_some() {
            return None;
        }
        self.recounted = Some(now);
        Some(self.write(IncidentAction::Updated, relations, now))
    }

    /// Makes an event of it as it stands.
    pub(crate) fn write(
        &mut self,
        action: IncidentAction,
        relations: &Relations,
        now: Timestamp,
    ) -> IncidentEvent {
        self.count_left_out(relations);
        let incident = &mut self.incident;
        incident.sequence += 1;
        incident.updated = now;
        let counted = &incident.counted;
        self.written = Some(Written {
            at: now,
            connections: counted.connections,
            packets: counted.packets[0] + counted.packets[1],
            payload: counted.payload[0] + counted.payload[1],
            targets: incident.targets.map_or(0, |counts| counts.targets),
            left_out: incident.related.left_out,
        });
        self.pending = false;
        self.linked = None;
        IncidentEvent { action, sequence: incident.sequence, at: now, incident: incident.clone() }
    }

    /// Nothing was heard of it for a while: it is closed. Gives the event, unless it only continued quietly.
    pub(crate) fn close(&mut self, relations: &Relations, now: Timestamp) -> Option<IncidentEvent> {
        self.incident.closed = Some(now);
        let last = self.incident.last;
        self.incident.milestone(last, Milestone::Closed);
        (!self.quiet || self.pending || self.linked.is_some())
            .then(|| self.write(IncidentAction::Closed, relations, now))
    }

    /// It goes on after it was closed.
    pub(crate) fn reopen(&mut self) {
        self.incident.closed = None;
        self.incident.continued += 1;
        self.quiet = true;
    }
}

impl TargetCounts {
    fn count(&mut self, level: EvidenceLevel, change: i64) {
        let number = match level {
            EvidenceLevel::Attempt => &mut self.silent,
            EvidenceLevel::Refused => &mut self.refused,
            _ => &mut self.answered,
        };
        *number = number.saturating_add_signed(change);
        self.targets = self.silent + self.refused + self.answered;
    }
}
