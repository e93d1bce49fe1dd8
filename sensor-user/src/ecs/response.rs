//! The document of a response: a block that began or ended.

use schemars::JsonSchema;
use sensor_core::level::Severity;
use serde::Serialize;

use super::{
    Sensor,
    brief::{Brief, Briefed},
    fields::{Category, DataStream, Ecs, Event, EventKind, EventType, Observer, Outcome, Related, User},
};
use crate::{
    response::{Entry, EntryAction, Peer, Target},
    rfc3339::rfc3339,
    storage::DocumentKind,
};

/// `event.severity` of every response.
pub(super) const SEVERITY: Severity = Severity::Low;

/// The document.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseDocument {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    ecs: Ecs,
    data_stream: DataStream,
    message: String,
    event: Event,
    user: Option<User>,
    observer: Observer,
    related: Related,
    smb_sensor: SmbSensor,
}

impl Briefed for ResponseDocument {
    fn brief(&self) -> Brief {
        Brief {
            incident: self.smb_sensor.response.incident.clone(),
            message: Some(self.message.clone()),
            ..Brief::of(&self.event, &self.observer)
        }
    }
}

/// Fields that are not in ECS.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SmbSensor {
    response: ResponseFields,
}

/// A response.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResponseFields {
    /// An address, a network, or two of them with a comma between.
    target: String,
    /// Why.
    reason: String,
    /// When the block ends, or was to end.
    until: String,
    /// Whether packets are counted alone.
    dry_run: bool,
    /// Packets that the block dropped or, in a dry run, would have dropped.
    packets: u64,
    /// The incident that was the cause.
    incident: Option<String>,
}

/// Its identifier.
pub(super) fn id(entry: &Entry) -> String {
    format!("{}-{}-{}", entry.action.name(), entry.target, entry.at.unix_nanos())
}

/// Builds the document.
pub(super) fn document(entry: &Entry, sensor: &Sensor) -> ResponseDocument {
    let mut related = Related::default();
    if let Target::Pair(host, _) = entry.target {
        Related::add(&mut related.ip, &host.to_string());
    }
    let marked = entry.target.marked();
    if marked.prefix_len() == marked.max_prefix_len() {
        Related::add(&mut related.ip, &marked.network().to_string());
    }
    let at = rfc3339(entry.at);
    let (types, start) = match entry.action {
        EntryAction::Blocked => (EventType::Start, entry.at),
        EntryAction::Unblocked | EntryAction::BlockExpired => (EventType::End, entry.since),
    };
    ResponseDocument {
        timestamp: at.clone(),
        ecs: Ecs::new(),
        data_stream: DataStream::of(DocumentKind::Incident),
        message: message(entry),
        event: Event {
            kind: EventKind::Event,
            category: vec![Category::Network],
            types: vec![types],
            action: entry.action.name().to_owned(),
            outcome: Outcome::Success,
            module: "smb_sensor",
            dataset: DocumentKind::Incident.dataset(),
            id: Some(id(entry)),
            sequence: None,
            severity: Some(SEVERITY),
            risk_score: None,
            start: rfc3339(start),
            end: at.clone(),
            duration: u64::try_from(entry.at.since(start).as_nanos()).unwrap_or(u64::MAX),
            created: None,
            ingested: Some(at),
        },
        user: match &entry.by {
            Peer::User { uid, name } => {
                Some(User { id: Some(uid.to_string()), name: name.clone(), domain: None })
            }
            Peer::Page { name } => Some(User { id: None, name: Some(name.clone()), domain: None }),
            Peer::Agent => None,
        },
        observer: Observer::of(sensor, None),
        related,
        smb_sensor: SmbSensor {
            response: ResponseFields {
                target: entry.target.to_string(),
                reason: entry.reason.clone(),
                until: rfc3339(entry.until),
                dry_run: entry.is_dry,
                packets: entry.packets,
                incident: entry.incident.clone(),
            },
        },
    }
}

fn message(entry: &Entry) -> String {
    let Entry { target, by, until, packets, is_dry, .. } = entry;
    let dry = if *is_dry { " (dry run)" } else { "" };
    let counted = if *is_dry { "would have dropped" } else { "dropped" };
    match entry.action {
        EntryAction::Blocked => {
            format!("{target} is blocked until {}{dry}, by {by}: {}", rfc3339(*until), entry.reason)
        }
        EntryAction::Unblocked => {
            format!("{target} is no longer blocked, by {by}; the block {counted} {packets} packets")
        }
        EntryAction::BlockExpired => {
            format!("{target} is no longer blocked: its time is over; the block {counted} {packets} packets")
        }
    }
}
