//! The document of incidents that were only counted.

use schemars::JsonSchema;
use sensor_core::{incident::QuotaSummary, rules::sentence::counted};
use serde::Serialize;

use super::{
    Sensor,
    brief::{Brief, Briefed},
    fields::{Category, DataStream, Ecs, Event, EventKind, EventType, Observer, Outcome, Related, Rule},
};
use crate::{rfc3339::rfc3339, storage::DocumentKind};

/// The document.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaDocument {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    ecs: Ecs,
    data_stream: DataStream,
    message: String,
    event: Event,
    rule: Rule,
    observer: Observer,
    related: Related,
    smb_sensor: SmbSensor,
}

impl Briefed for QuotaDocument {
    fn brief(&self) -> Brief {
        Brief {
            message: Some(self.message.clone()),
            ..Brief::of(&self.event, &self.observer).of_rule(&self.rule)
        }
    }
}

/// Fields that are not in ECS.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SmbSensor {
    quota: QuotaFields,
}

/// The counts of a window.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QuotaFields {
    opened: u64,
    held_back: u64,
    since: String,
    until: String,
    /// Whether the window is over and the counts are final.
    is_final: bool,
    sources: Vec<SourceFields>,
}

/// A client whose incidents were only counted.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SourceFields {
    ip: String,
    held_back: u64,
}

/// Its identifier.
pub(super) fn id(summary: &QuotaSummary) -> String {
    format!("{}-{}-{}", summary.rule.id, summary.since.unix_nanos() / 1_000_000, summary.sequence)
}

/// Builds the document.
pub(super) fn document(summary: &QuotaSummary, sensor: &Sensor) -> QuotaDocument {
    let mut related = Related::default();
    summary.sources.iter().for_each(|(ip, _)| Related::add(&mut related.ip, &ip.to_string()));
    let at = rfc3339(summary.at);
    QuotaDocument {
        timestamp: at.clone(),
        ecs: Ecs::new(),
        data_stream: DataStream::of(DocumentKind::Incident),
        message: message(summary),
        event: Event {
            // The first one is an alert: from then on incidents of this rule are missing from the list.
            kind: if summary.is_final { EventKind::Event } else { EventKind::Alert },
            category: vec![Category::Network, Category::IntrusionDetection],
            types: vec![EventType::Info],
            action: "incident-summary".to_owned(),
            outcome: Outcome::Unknown,
            module: "smb_sensor",
            dataset: DocumentKind::Incident.dataset(),
            id: Some(id(summary)),
            sequence: Some(summary.sequence),
            severity: Some(summary.rule.severity),
            risk_score: Some(summary.rule.risk_score),
            start: rfc3339(summary.since),
            end: at.clone(),
            duration: u64::try_from(summary.at.since(summary.since).as_nanos()).unwrap_or(u64::MAX),
            created: None,
            ingested: Some(at),
        },
        rule: Rule::named(summary.rule.id),
        observer: Observer::of(sensor, None),
        related,
        smb_sensor: SmbSensor {
            quota: QuotaFields {
                opened: summary.opened,
                held_back: summary.held_back,
                since: rfc3339(summary.since),
                until: rfc3339(summary.until),
                is_final: summary.is_final,
                sources: summary
                    .sources
                    .iter()
                    .map(|(ip, held_back)| SourceFields { ip: ip.to_string(), held_back: *held_back })
                    .collect(),
            },
        },
    }
}

fn message(summary: &QuotaSummary) -> String {
    let QuotaSummary { rule, opened, held_back, .. } = summary;
    let were = |count: u64| if count == 1 { "was" } else { "were" };
    if summary.is_final {
        format!(
            "{} of {} {} counted and not opened between {} and {}; {opened} {} opened",
            counted(*held_back, "incident"),
            rule.name,
            were(*held_back),
            rfc3339(summary.since),
            rfc3339(summary.at),
            were(*opened)
        )
    } else {
        format!(
            "{} of {} {} opened since {}: until {}, further ones below the level session are only counted",
            counted(*opened, "incident"),
            rule.name,
            were(*opened),
            rfc3339(summary.since),
            rfc3339(summary.until)
        )
    }
}
