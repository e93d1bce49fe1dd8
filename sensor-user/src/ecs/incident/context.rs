//! Fields from elsewhere than the packets: the internal host in the inventory, earlier contacts of the external host, related
//! incidents.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use sensor_core::{
    asset::Asset,
    enrichment::Sightings,
    incident::{IncidentId, RelatedIncidents, RelationKind},
    level::EvidenceLevel,
};
use serde::Serialize;

use crate::{ecs::name_of::NameOf, rfc3339::rfc3339};

/// The internal host, as the inventory declares it.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssetFields {
    pub(super) name: String,
    pub(super) owner: Option<String>,
    /// `file-server`, `backup` and `scanner` change the severity; other roles are the inventory's own.
    pub(super) role: Option<String>,
}

impl AssetFields {
    pub(super) fn of(asset: &Asset) -> Self {
        Self {
            name: asset.name.clone(),
            owner: asset.owner.clone(),
            role: asset.role.as_ref().map(|role| role.name().to_owned()),
        }
    }
}

/// What was seen of the external host, in this incident and in all others that are kept.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExternalHostFields {
    pub(super) first_seen: String,
    /// Days (UTC) on which it was seen.
    pub(super) days: u64,
    /// Internal hosts that had to do with it.
    pub(super) internal_hosts: u64,
    /// How far any of them got with it.
    #[schemars(with = "NameOf<EvidenceLevel>")]
    pub(super) evidence: EvidenceLevel,
}

impl ExternalHostFields {
    pub(super) fn of(seen: &Sightings) -> Self {
        Self {
            first_seen: rfc3339(seen.first),
            days: seen.days,
            internal_hosts: seen.hosts,
            evidence: seen.level,
        }
    }
}

/// Other incidents that have something in common with this one.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RelatedFields {
    /// The campaign, by the identifier of its first incident.
    pub(super) campaign: Option<String>,
    /// The first ones. Each of them lists this one too.
    pub(super) incidents: Vec<RelatedIncidentFields>,
    /// Others of the last seven days with something in common that are not listed, each counted once, as of this document.
    pub(super) left_out: u64,
}

/// Another incident.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RelatedIncidentFields {
    pub(super) id: String,
    /// `external_host`, `credential` or `user`.
    pub(super) common: Vec<&'static str>,
}

impl RelatedFields {
    pub(super) fn of(related: &RelatedIncidents) -> Option<Self> {
        let incident = |(id, kinds): &(IncidentId, BTreeSet<RelationKind>)| RelatedIncidentFields {
            id: id.to_string(),
            common: kinds.iter().map(|kind| kind.name()).collect(),
        };
        (!related.incidents.is_empty() || related.left_out > 0).then(|| Self {
            campaign: related.campaign.map(|id| id.to_string()),
            incidents: related.incidents.iter().map(incident).collect(),
            left_out: related.left_out,
        })
    }
}
