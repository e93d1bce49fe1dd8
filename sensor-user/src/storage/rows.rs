//! Rows to write and rows that were read. Only the caller interprets their content.

use std::{collections::BTreeMap, time::Instant};

use sensor_core::level::{EvidenceLevel, Severity};

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DocumentKind {
    /// An event of an incident, or a summary of incidents that were held back.
    Incident = 1,
    /// A summary of a connection.
    Flow = 2,
}

impl DocumentKind {
    /// ECS `data_stream.dataset` of these documents.
    #[must_use]
    pub const fn dataset(self) -> &'static str {
        match self {
            Self::Incident => "smb_sensor.incident",
            Self::Flow => "network_traffic.flow",
        }
    }

    pub(super) const fn from_number(number: i64) -> Self {
        if number == 2 { Self::Flow } else { Self::Incident }
    }
}

/// A document that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDocument {
    /// Identifier: the same document is kept once.
    pub id: String,
    /// What it is.
    pub kind: DocumentKind,
    /// Identifier of its incident.
    pub incident: Option<String>,
    /// `event.severity`; a summary of a connection has none.
    pub severity: Option<Severity>,
    /// When it was written, nanoseconds since the Unix epoch.
    pub at: i64,
    /// The document: one line.
    pub body: String,
    /// What outputs with a format of their own say of it.
    pub brief: Vec<u8>,
}

impl NewDocument {
    /// This document, committed at a place.
    pub(super) fn at_place(self, sequence: u64) -> DocumentRow {
        let Self { id, kind, incident: _, severity, at, body, brief } = self;
        DocumentRow { sequence, id, kind, severity, at, body, brief }
    }
}

/// A document that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// Its place: it only rises.
    pub sequence: u64,
    /// Its identifier.
    pub id: String,
    /// What it is.
    pub kind: DocumentKind,
    /// `event.severity`; a summary of a connection has none.
    pub severity: Option<Severity>,
    /// When it was written, nanoseconds since the Unix epoch.
    pub at: i64,
    /// The document: one line.
    pub body: String,
    /// What outputs with a format of their own say of it; empty for a document of an earlier version.
    pub brief: Vec<u8>,
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRow {
    /// Identifier.
    pub id: String,
    /// Severity.
    pub severity: Severity,
    /// Last activity, nanoseconds since the Unix epoch.
    pub last: i64,
    /// Whether it is open.
    pub open: bool,
    /// Everything that is known of it.
    pub state: Vec<u8>,
}

/// An external host had to do with an internal one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// External host.
    pub external: String,
    /// Internal host.
    pub internal: String,
    /// When, nanoseconds since the Unix epoch.
    pub at: i64,
    /// How far that got.
    pub level: EvidenceLevel,
}

/// A day on which an external host had to do with an internal one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactRow {
    /// Internal host.
    pub internal: String,
    /// Day, counted from the Unix epoch.
    pub day: i64,
    /// The first time on that day, nanoseconds since the Unix epoch.
    pub first: i64,
    /// How far it got; `None` for a level that this version does not know.
    pub level: Option<EvidenceLevel>,
}

/// A verdict on an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRow {
    /// Identifier of the incident.
    pub incident: String,
    /// Everything that is known of it.
    pub state: Vec<u8>,
}

/// The day of a time in nanoseconds since the Unix epoch.
#[must_use]
pub const fn day_of(nanos: i64) -> i64 {
    nanos.div_euclid(86_400_000_000_000)
}

/// How much of what the kernel program reported a state contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingPlace {
    /// Identifies the program, and so its ring.
    pub program: u64,
    /// The position in the ring behind the last record.
    pub position: u64,
    /// Packets that are accounted to connections.
    pub accounted: i64,
}

/// The counts of a summary of the quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaRow {
    /// Identifier of its document, which is in the same batch.
    pub document: String,
    /// The rule.
    pub rule: String,
    /// When its window began, nanoseconds since the Unix epoch.
    pub since: i64,
    /// Incidents that were counted and not opened in this window so far.
    pub held_back: u64,
}

/// What is committed together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowBatch {
    /// Documents.
    pub documents: Vec<NewDocument>,
    /// Short forms of summaries of connections, each with the identifier of its document in this batch.
    pub flows: Vec<(String, Vec<u8>)>,
    /// Counts of summaries of the quota.
    pub quotas: Vec<QuotaRow>,
    /// Incidents, each as it is now.
    pub incidents: Vec<IncidentRow>,
    /// Verdicts, each in place of an earlier one on the same incident. One on an incident that is not there is left out.
    pub verdicts: Vec<VerdictRow>,
    /// External hosts and the internal ones that they had to do with.
    pub contacts: Vec<Contact>,
    /// Connections that are open, by key: they replace all that were kept before.
    pub connections: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// Connections that changed, by key, after `connections` took their place; `None` removes one.
    pub changed_connections: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// How much of the ring this state contains.
    pub ring: Option<RingPlace>,
    /// Known terms: rule, value, when it was seen last.
    pub terms: Vec<(String, String, i64)>,
    /// Rules that forgot what they had seen before a time.
    pub forgotten_terms: Vec<(String, i64)>,
    /// What exemptions have covered: they replace all that were kept before.
    pub hits: Option<BTreeMap<String, Vec<u8>>>,
    /// Places up to which sinks have delivered.
    pub cursors: Vec<(String, u64)>,
    /// Single values.
    pub meta: Vec<(&'static str, Vec<u8>)>,
    /// When its first document was made, if that is measured.
    pub made: Option<Instant>,
}

impl RowBatch {
    /// Adds what is to be committed behind it.
    pub fn merge(&mut self, later: Self) {
        self.documents.extend(later.documents);
        self.flows.extend(later.flows);
        self.quotas.extend(later.quotas);
        self.incidents.retain(|known| later.incidents.iter().all(|new| new.id != known.id));
        self.incidents.extend(later.incidents);
        self.verdicts.extend(later.verdicts);
        self.contacts.extend(later.contacts);
        if later.connections.is_some() {
            self.changed_connections.clear();
        }
        self.connections = later.connections.or(self.connections.take());
        self.changed_connections.extend(later.changed_connections);
        self.ring = later.ring.or(self.ring);
        self.terms.extend(later.terms);
        self.forgotten_terms.extend(later.forgotten_terms);
        self.hits = later.hits.or(self.hits.take());
        self.cursors.extend(later.cursors);
        self.meta.retain(|(known, _)| later.meta.iter().all(|(new, _)| new != known));
        self.meta.extend(later.meta);
        self.made = self.made.or(later.made);
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the database holds of the agent's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Incidents that are open, or were active since the time that was asked for.
    pub incidents: Vec<IncidentRow>,
    /// Connections that were open.
    pub connections: Vec<Vec<u8>>,
    /// Known terms.
    pub terms: Vec<(String, String, i64)>,
    /// What exemptions have covered.
    pub hits: BTreeMap<String, Vec<u8>>,
    /// Single values.
    pub meta: BTreeMap<String, Vec<u8>>,
}

impl Rows {
    /// How much of the ring this state contains.
    #[must_use]
    pub fn ring(&self) -> Option<RingPlace> {
        let [program, position, accounted] = self.meta.get(RING)?.as_chunks().0 else { return None };
        Some(RingPlace {
            program: u64::from_le_bytes(*program),
            position: u64::from_le_bytes(*position),
            accounted: i64::from_le_bytes(*accounted),
        })
    }
}

/// Key of how much of the ring the state contains, among the single values.
const RING: &str = "ring";

/// The single value that says how much of the ring the state contains.
pub(super) fn ring_value(place: RingPlace) -> (&'static str, Vec<u8>) {
    let RingPlace { program, position, accounted } = place;
    (RING, [program.to_le_bytes(), position.to_le_bytes(), accounted.to_le_bytes()].concat())
}
