//! The fields of an incident that are not in ECS.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use sensor_core::{
    address::Direction,
    incident::LogonOutcome,
    level::{EvidenceLevel, Severity},
};
use serde::Serialize;

use super::context::{AssetFields, ExternalHostFields, RelatedFields};
use crate::ecs::{
    endpoint::ProcessDetails, fields::Process, name_of::NameOf, quic::QuicFields, webdav::WebDavFields,
};

/// Fields that are not in ECS.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SmbSensor {
    pub(super) incident: IncidentFields,
    pub(super) asset: Option<AssetFields>,
    pub(super) external_host: Option<ExternalHostFields>,
    pub(super) related: Option<RelatedFields>,
    pub(super) findings: Vec<FindingFields>,
    pub(super) techniques: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) credentials: Vec<CredentialFields>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) shares: Vec<ShareFields>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) rpc: BTreeMap<String, Vec<String>>,
    pub(super) smb: SmbFields,
    /// What clients offered over QUIC.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) quic: Vec<QuicFields>,
    pub(super) webdav: Option<WebDavFields>,
    pub(super) volume: Volume,
    pub(super) connections: Vec<ConnectionFields>,
    pub(super) timeline: Vec<TimelineFields>,
    pub(super) note: Note,
    pub(super) false_positives: &'static [&'static str],
    pub(super) loss: Loss,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) threat_lists: Vec<ThreatListFields>,
    pub(super) process: Option<ProcessDetails>,
    /// All that opened connections, up to 8, where it was more than one; the first one is in `process` too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) processes: Vec<Process>,
    /// There were more than are listed.
    pub(super) more_processes: Option<bool>,
    pub(super) client: Option<ClientFields>,
    pub(super) learning_until: Option<String>,
    pub(super) enforcement: Option<&'static str>,
}

/// The incident.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IncidentFields {
    pub(super) id: String,
    pub(super) status: &'static str,
    #[schemars(with = "NameOf<Severity>")]
    pub(super) severity: Severity,
    pub(super) scope: ScopeName,
    #[schemars(with = "NameOf<Direction>")]
    pub(super) direction: Direction,
    #[schemars(with = "NameOf<EvidenceLevel>")]
    pub(super) evidence: EvidenceLevel,
    /// The internal host; the first, if there are several.
    pub(super) internal: Option<String>,
    pub(super) internal_addresses: Vec<String>,
    pub(super) internal_count: u64,
    /// The external host; the first, if there are several.
    pub(super) external: Option<String>,
    pub(super) external_addresses: Vec<String>,
    pub(super) external_count: u64,
    pub(super) services: Vec<&'static str>,
    pub(super) ports: Vec<String>,
    pub(super) connections: u64,
    pub(super) targets: Option<TargetFields>,
    pub(super) opened: String,
    pub(super) updated: String,
    pub(super) closed: Option<String>,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) continued: u64,
    pub(super) restarted: bool,
}

/// The subject of an incident.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScopeName {
    /// Two hosts.
    Pair,
    /// One client and its servers.
    Client,
    /// One internal server and its external clients.
    Exposure,
    /// One connection.
    Connection,
}

/// Number of targets of a client.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetFields {
    pub(super) total: u64,
    pub(super) answered: u64,
    pub(super) refused: u64,
    pub(super) silent: u64,
}

/// A finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingFields {
    pub(super) rule: String,
    pub(super) name: String,
    #[schemars(with = "NameOf<Severity>")]
    pub(super) severity: Severity,
    pub(super) risk_score: u8,
    pub(super) fact: String,
    pub(super) technique: Vec<String>,
    pub(super) first: String,
    pub(super) connections: u64,
}

/// A user who authenticated.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialFields {
    pub(super) method: &'static str,
    pub(super) user: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) workstation: Option<String>,
    pub(super) target: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) fingerprints: Vec<String>,
    #[schemars(with = "Option<String>")]
    pub(super) outcome: Option<LogonOutcome>,
    pub(super) status: Option<String>,
    pub(super) attempts: u64,
}

/// A share.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareFields {
    pub(super) path: String,
    pub(super) kind: Option<&'static str>,
    pub(super) connected: Option<bool>,
}

/// The protocol.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SmbFields {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dialects: Vec<String>,
    /// What servers said about signing: `off`, `enabled` or `required`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) server_signing: Vec<String>,
    pub(super) encrypted: bool,
    pub(super) joined_late: bool,
    pub(super) one_sided: bool,
    /// Segments had different bytes at the same place of the stream.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) conflicting_segments: bool,
    pub(super) complete: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) other_protocols: Vec<&'static str>,
}

/// Bytes of payload, from the point of view of the internal host.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Volume {
    pub(super) left_bytes: u64,
    pub(super) came_bytes: u64,
    pub(super) left_retransmitted_bytes: u64,
    pub(super) came_retransmitted_bytes: u64,
    pub(super) content_left: bool,
    pub(super) content_came: bool,
}

/// A connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionFields {
    pub(super) transport: &'static str,
    pub(super) client: String,
    pub(super) server: String,
    #[schemars(with = "NameOf<EvidenceLevel>")]
    pub(super) evidence: EvidenceLevel,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) left_bytes: u64,
    pub(super) came_bytes: u64,
    pub(super) closed: bool,
    pub(super) community_id: Option<String>,
}

/// A step of the timeline.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TimelineFields {
    pub(super) at: String,
    pub(super) what: String,
}

/// A step to take.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    pub(super) seen: String,
    pub(super) check: Vec<String>,
    pub(super) contain: Vec<String>,
    pub(super) benign: String,
    pub(super) hint: Option<String>,
}

/// Observations that may be missing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Loss {
    pub(super) ring_records: u64,
    pub(super) sampled: bool,
    pub(super) credentials_left_out: u64,
    pub(super) shares_left_out: u64,
}

/// An entry of a threat list.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ThreatListFields {
    pub(super) list: String,
    pub(super) prefix: String,
    pub(super) line: u32,
    pub(super) description: Option<String>,
}

/// The inferred client.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientFields {
    pub(super) inferred: &'static str,
    pub(super) grounds: Vec<String>,
}
