//! The document of a campaign: incidents that have something in common.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use sensor_core::{
    incident::{CampaignAction, CampaignSummary},
    level::{EvidenceLevel, Severity},
};
use serde::Serialize;

use super::{
    Sensor,
    brief::{Brief, Briefed},
    fields::{Category, DataStream, Ecs, Event, EventKind, EventType, Observer, Outcome, Related, Rule},
    name_of::NameOf,
};
use crate::{rfc3339::rfc3339, storage::DocumentKind};

/// The document.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CampaignDocument {
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

impl Briefed for CampaignDocument {
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
    campaign: CampaignFields,
}

/// What its incidents say together.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CampaignFields {
    /// The identifier of its first incident.
    id: String,
    incidents: u64,
    /// Identifiers of the first ones.
    incident_ids: Vec<String>,
    internal_count: u64,
    internal_addresses: Vec<String>,
    external_count: u64,
    external_addresses: Vec<String>,
    accounts: Vec<String>,
    /// What they have in common, with the number of times.
    common: BTreeMap<&'static str, u64>,
    #[schemars(with = "NameOf<Severity>")]
    severity: Severity,
    /// The highest level of evidence.
    #[schemars(with = "NameOf<EvidenceLevel>")]
    evidence: EvidenceLevel,
}

/// Its identifier: a campaign is written when it has grown or its severity has risen.
pub(super) fn id(summary: &CampaignSummary) -> String {
    format!("campaign-{}-{}-{}", summary.id, summary.incidents, summary.severity.number())
}

/// Builds the document.
pub(super) fn document(summary: &CampaignSummary, sensor: &Sensor) -> CampaignDocument {
    let mut related = Related::default();
    let addresses = summary.internal.1.iter().chain(&summary.external.1);
    addresses.for_each(|ip| Related::add(&mut related.ip, &ip.to_string()));
    summary.accounts.iter().for_each(|account| Related::add(&mut related.user, account));
    let at = rfc3339(summary.at);
    let texts = |all: &[IpAddr]| all.iter().map(ToString::to_string).collect();
    let action = match summary.action {
        CampaignAction::Opened => "campaign-opened",
        CampaignAction::Escalated => "campaign-escalated",
        CampaignAction::Updated => "campaign-updated",
    };
    CampaignDocument {
        timestamp: at.clone(),
        ecs: Ecs::new(),
        data_stream: DataStream::of(DocumentKind::Incident),
        message: summary.sentence(),
        event: Event {
            // One alert for each campaign: that its severity rises, its incidents say.
            kind: if summary.action == CampaignAction::Opened { EventKind::Alert } else { EventKind::Event },
            category: vec![Category::Network, Category::IntrusionDetection],
            types: vec![EventType::Info],
            action: action.to_owned(),
            outcome: Outcome::Unknown,
            module: "smb_sensor",
            dataset: DocumentKind::Incident.dataset(),
            id: Some(id(summary)),
            sequence: Some(summary.incidents),
            severity: Some(summary.severity),
            risk_score: Some(summary.risk_score),
            start: rfc3339(summary.first),
            end: rfc3339(summary.last),
            duration: u64::try_from(summary.last.since(summary.first).as_nanos()).unwrap_or(u64::MAX),
            created: None,
            ingested: Some(at),
        },
        rule: Rule::named(&summary.rule),
        observer: Observer::of(sensor, None),
        related,
        smb_sensor: SmbSensor {
            campaign: CampaignFields {
                id: summary.id.to_string(),
                incidents: summary.incidents,
                incident_ids: summary.listed.iter().map(ToString::to_string).collect(),
                internal_count: summary.internal.0,
                internal_addresses: texts(&summary.internal.1),
                external_count: summary.external.0,
                external_addresses: texts(&summary.external.1),
                accounts: summary.accounts.clone(),
                common: summary.kinds.iter().map(|(kind, count)| (kind.name(), *count)).collect(),
                severity: summary.severity,
                evidence: summary.level,
            },
        },
    }
}
