//! A connection in the table, and its lifetime there.

use std::time::Duration;

use sensor_common::{
    payload::PieceKind,
    slot::{Side, mark},
};
use sensor_dissect::{Facts, FingerprintKey};

use crate::{
    flow::{
        Flow,
        ending::{Activity, LINGER},
        state::TICK_SLACK,
        stream_reader::StreamReader,
    },
    level::EvidenceLevel,
    record::Piece,
    service::ServicePorts,
    time::Timestamp,
    view::{Content, FlowView},
};

/// Time without a packet after which an unanswered attempt is closed, or HTTP that is no WebDAV; Linux gives up 127 s after its first SYN.
const ATTEMPT_IDLE: Duration = Duration::from_secs(150);

/// Time for which a closed attempt is remembered, so that a very late packet does not begin another one.
const REMEMBER_ATTEMPT: Duration = Duration::from_secs(60);

/// Time for which a closed connection is remembered while it is in a slot: its settled record will arrive, and is no
/// new connection.
pub(super) const REMEMBER_SLOT: Duration = Duration::from_secs(86_400);

/// Time for which an idle connection can continue, the same as for the pair of its hosts in an incident. Linux sends
/// keep-alives every two hours.
pub(super) const REMEMBER_IDLE: Duration = Duration::from_secs(7 * 86_400);

/// Payload after which a connection is reported again, before its counts have doubled.
const LOOK_AGAIN: u64 = 1 << 20;

/// A connection in the table; `L` is the caller's link to its incident.
#[derive(Debug)]
pub struct FlowEntry<L> {
    /// The connection.
    pub flow: Flow,
    /// The caller's link.
    pub link: L,
    /// When its time to be answered is over; distinguishes it from a later connection with the same five-tuple.
    pub(super) settle_at: Timestamp,
    pub(super) closed: Option<Closed>,
    pub(super) reader: Option<Box<StreamReader>>,
    pub(super) reported: Reported,
}

/// A connection at the time it was closed.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Closed {
    pub(super) at: Timestamp,
    /// Its last packet.
    last: Timestamp,
    activity: Activity,
    /// It ended, and was not just idle.
    ended: bool,
}

/// The counts of a connection when it was last reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reported {
    packets: u64,
    payload: u64,
}

/// The values whose change makes a connection worth reporting at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    level: EvidenceLevel,
    roles: (Side, bool),
    marks: u16,
    content: Content,
}

impl<L> FlowEntry<L> {
    pub(super) fn new(flow: Flow, link: L, settle_at: Timestamp) -> Self {
        Self { flow, link, settle_at, closed: None, reader: None, reported: Reported::default() }
    }

    /// Whether it was reported as closed and has not continued since.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Its view. `None` if its port is unwatched, and neither SMB nor WebDAV was recognised.
    #[must_use]
    pub fn view(&self, services: &ServicePorts) -> Option<FlowView<'_>> {
        self.flow.view(services, self.is_closed())
    }

    /// Its view, and the link as mutable.
    pub fn split(&mut self, services: &ServicePorts) -> Option<(FlowView<'_>, &mut L)> {
        let closed = self.is_closed();
        Some((self.flow.view(services, closed)?, &mut self.link))
    }

    pub(super) const fn snapshot(&self) -> Snapshot {
        let looked_at = mark::THREAT | mark::DROPPED | mark::ENCRYPTED;
        let flow = &self.flow;
        Snapshot {
            level: flow.level,
            roles: (flow.client(), flow.roles_known),
            marks: flow.marks & looked_at,
            content: flow.content,
        }
    }

    /// Whether its counts have doubled, or much has moved, since this was last true.
    pub(super) fn has_grown(&mut self) -> bool {
        let counts = self.flow.counts();
        let (packets, payload) = (counts.total_packets(), counts.payload.iter().sum());
        let grown = packets >= 2 * self.reported.packets.max(1)
            || payload >= 2 * self.reported.payload.max(1)
            || payload >= self.reported.payload + LOOK_AGAIN;
        if grown {
            self.reported = Reported { packets, payload };
        }
        grown
    }

    /// Reads a piece; returns whether it adds something.
    pub(super) fn read(&mut self, piece: &Piece<'_>, key: &FingerprintKey, services: &ServicePorts) -> bool {
        if piece.kind == PieceKind::Datagram {
            return self.flow.read_datagram(piece, services);
        }
        self.reader.take_if(|reader| !reader.fits(piece));
        let reader = self.reader.get_or_insert_with(|| {
            let facts = self.flow.facts.as_deref().cloned().unwrap_or_else(Facts::default);
            Box::new(StreamReader::for_piece(piece, key.clone(), facts))
        });
        self.flow.bytes_read += piece.bytes.len() as u64;
        let new = reader.read(piece, self.flow.presumed_client());
        let changed = self.flow.learn(reader, new, services) || new;
        self.reader.take_if(|reader| !reader.is_needed());
        changed
    }

    /// Whether it is HTTP that shows neither WebDAV nor a log-on, as far as it was read.
    fn is_other_http(&self) -> bool {
        self.flow.marks & mark::HTTP != 0 && !self.flow.is_webdav() && !self.flow.smb_spoken()
    }

    /// Whether it uses one of the limited readers.
    pub(super) const fn is_read(&self) -> bool {
        self.reader.is_some() || self.flow.datagrams.is_some()
    }

    /// Drops the reader and its facts, which use most of its memory.
    pub(super) fn release(&mut self) {
        self.reader = None;
        self.flow.drop_facts();
    }

    /// It continued after it was closed.
    pub(super) fn reopen(&mut self) {
        self.closed = None;
        self.flow.missed_between_cpus = false;
        self.flow.resume_facts();
    }

    /// Closes it.
    pub(super) fn close(&mut self, now: Timestamp, services: &ServicePorts) {
        if let Some(reader) = self.reader.as_mut().filter(|_| self.flow.is_ended()) {
            let new = reader.finish(self.flow.presumed_client());
            self.flow.learn(reader, new, services);
        }
        // One that leaves the table in the middle may be between two segments of a message.
        if self.flow.is_ended() || now > self.flow.last {
            self.flow.note_missed_messages();
        }
        self.flow.settle(services);
        self.closed = Some(Closed {
            at: now,
            last: self.flow.last,
            activity: self.flow.activity(),
            ended: self.flow.is_ended(),
        });
    }

    /// Whether it continued since it was closed. After an end, a late packet does not count; after mere idleness every one does.
    pub(super) fn goes_on(&self, level_before: EvidenceLevel) -> bool {
        self.closed.is_some_and(|closed| {
            self.flow.level > level_before
                || if closed.ended {
                    closed.activity.goes_on_in(&self.flow.activity())
                } else {
                    self.flow.last > closed.last + TICK_SLACK
                }
        })
    }

    /// Whether it is over at `now`: ended a while ago, or idle for too long.
    pub(super) fn is_over(&self, now: Timestamp, idle: Duration, settle: Duration) -> bool {
        let quiet = now.since(self.flow.last);
        if self.flow.is_ended() {
            quiet >= LINGER.max(settle)
        } else if self.flow.level < EvidenceLevel::Connected || self.is_other_http() {
            quiet >= ATTEMPT_IDLE.min(idle)
        } else {
            quiet > idle
        }
    }

    /// How long it is remembered after closing.
    pub(super) fn remembered_for(&self, idle: Duration) -> Duration {
        let by_itself = match self.closed {
            _ if self.flow.level < EvidenceLevel::Connected || self.is_other_http() => REMEMBER_ATTEMPT,
            Some(Closed { ended: true, .. }) => idle.max(REMEMBER_ATTEMPT),
            _ => REMEMBER_IDLE,
        };
        if self.flow.has_slots() { by_itself.max(REMEMBER_SLOT) } else { by_itself }
    }
}
