//! The document of a verdict on an incident.

use schemars::JsonSchema;
use sensor_core::{incident::Incident, level::Severity};
use serde::Serialize;

use super::{
    Sensor,
    brief::{Brief, Briefed},
    fields::{
        Category, DataStream, Ecs, Event, EventKind, EventType, Observer, Outcome, Related, Rule, User,
    },
    name_of::NameOf,
};
use crate::{
    response::{Author, Peer, Verdict, VerdictEntry},
    rfc3339::rfc3339,
    storage::DocumentKind,
};

/// The document.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictDocument {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    ecs: Ecs,
    data_stream: DataStream,
    message: String,
    event: Event,
    /// The leading rule of the incident.
    rule: Rule,
    /// Whose verdict it is.
    user: Option<User>,
    observer: Observer,
    related: Related,
    smb_sensor: SmbSensor,
}

impl Briefed for VerdictDocument {
    fn brief(&self) -> Brief {
        Brief {
            incident: Some(self.smb_sensor.incident.id.clone()),
            message: Some(self.message.clone()),
            ..Brief::of(&self.event, &self.observer).of_rule(&self.rule)
        }
    }
}

/// Fields that are not in ECS.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SmbSensor {
    incident: IncidentFields,
    verdict: VerdictFields,
}

/// The incident.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IncidentFields {
    id: String,
    #[schemars(with = "NameOf<Severity>")]
    severity: Severity,
}

/// A verdict.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VerdictFields {
    /// `confirmed`, `benign` or `duplicate`.
    value: &'static str,
    /// Why.
    note: Option<String>,
    /// The verdict before it, if there was one.
    replaces: Option<&'static str>,
    /// Whether it was given on the status page, where nobody checks the name.
    on_page: bool,
}

/// Its identifier.
pub(super) fn id(incident: &Incident, verdict_entry: &VerdictEntry) -> String {
    format!("{}-verdict-{}", incident.id, verdict_entry.at.unix_nanos())
}

/// Builds the document.
pub(super) fn document(
    incident: &Incident,
    verdict_entry: &VerdictEntry,
    before: Option<Verdict>,
    sensor: &Sensor,
) -> VerdictDocument {
    let mut related = Related::default();
    let addresses = incident.internal.addresses.iter().chain(&incident.external.addresses);
    addresses.for_each(|ip| Related::add(&mut related.ip, &ip.to_string()));
    let at = rfc3339(verdict_entry.at);
    VerdictDocument {
        timestamp: at.clone(),
        ecs: Ecs::new(),
        data_stream: DataStream::of(DocumentKind::Incident),
        message: message(incident, verdict_entry),
        event: Event {
            kind: EventKind::Event,
            category: vec![Category::Network, Category::IntrusionDetection],
            types: vec![EventType::Info],
            action: "verdict-given".to_owned(),
            outcome: Outcome::Success,
            module: "smb_sensor",
            dataset: DocumentKind::Incident.dataset(),
            id: Some(id(incident, verdict_entry)),
            sequence: None,
            // An output that takes the incident takes the verdict.
            severity: Some(incident.severity),
            risk_score: Some(incident.risk_score),
            start: at.clone(),
            end: at.clone(),
            duration: 0,
            created: None,
            ingested: Some(at),
        },
        rule: Rule::named(&incident.rule),
        user: user(&verdict_entry.by),
        observer: Observer::of(sensor, None),
        related,
        smb_sensor: SmbSensor {
            incident: IncidentFields { id: incident.id.to_string(), severity: incident.severity },
            verdict: VerdictFields {
                value: verdict_entry.verdict.name(),
                note: verdict_entry.note.clone(),
                replaces: before.map(Verdict::name),
                on_page: matches!(verdict_entry.by, Author::OnPage(_)),
            },
        },
    }
}

fn user(author: &Author) -> Option<User> {
    match author {
        Author::Peer(Peer::User { uid, name }) => {
            Some(User { id: Some(uid.to_string()), name: name.clone(), domain: None })
        }
        Author::OnPage(name) | Author::Peer(Peer::Page { name }) => {
            Some(User { id: None, name: Some(name.clone()), domain: None })
        }
        Author::Peer(Peer::Agent) => None,
    }
}

fn message(incident: &Incident, verdict_entry: &VerdictEntry) -> String {
    let VerdictEntry { verdict, note, by, .. } = verdict_entry;
    let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("Verdict on incident {}: {verdict}, by {by}{note}", incident.id)
}
