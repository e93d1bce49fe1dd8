//! The fields of the Elastic Common Schema that documents use.

use schemars::JsonSchema;
use sensor_core::{address::Direction, level::Severity};
use serde::{Deserialize, Serialize, Serializer};

use super::{ECS_VERSION, Sensor, name_of::NameOf};
use crate::storage::DocumentKind;

/// ECS `ecs`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ecs {
    pub version: &'static str,
}

impl Ecs {
    pub(super) const fn new() -> Self {
        Self { version: ECS_VERSION }
    }
}

/// ECS `data_stream`: the index that a document belongs to.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DataStream {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub dataset: &'static str,
    pub namespace: &'static str,
}

impl DataStream {
    pub(super) const fn of(kind: DocumentKind) -> Self {
        Self { kind: "logs", dataset: kind.dataset(), namespace: "default" }
    }

    /// Its name: `type-dataset-namespace`.
    pub(super) fn name(&self) -> String {
        [self.kind, self.dataset, self.namespace].join("-")
    }
}

/// ECS `event.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventKind {
    Alert,
    Event,
}

/// ECS `event.category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Category {
    Network,
    IntrusionDetection,
    Process,
}

/// ECS `event.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventType {
    Start,
    Info,
    Connection,
    Denied,
    End,
}

/// ECS `event.outcome`: the observed result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It succeeded.
    Success,
    /// It failed.
    Failure,
    /// Nothing shows either.
    Unknown,
}

impl Outcome {
    /// Its name in ECS.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

/// ECS `event`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub kind: EventKind,
    pub category: Vec<Category>,
    #[serde(rename = "type")]
    pub types: Vec<EventType>,
    pub action: String,
    pub outcome: Outcome,
    pub module: &'static str,
    pub dataset: &'static str,
    /// Unique among all documents: two documents with the same identifier are the same.
    pub id: Option<String>,
    /// Number within its incident, from 1.
    pub sequence: Option<u64>,
    /// 21, 47, 73 or 99.
    #[serde(serialize_with = "number")]
    #[schemars(with = "Option<u8>")]
    pub severity: Option<Severity>,
    /// 0 to 100.
    pub risk_score: Option<u8>,
    /// First packet.
    pub start: String,
    /// Last packet.
    pub end: String,
    /// Nanoseconds.
    pub duration: u64,
    pub created: Option<String>,
    pub ingested: Option<String>,
}

/// A severity as its number.
fn number<S: Serializer>(severity: &Option<Severity>, serializer: S) -> Result<S::Ok, S::Error> {
    severity.map(Severity::number).serialize(serializer)
}

/// ECS `rule`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub id: String,
    pub name: String,
    pub description: Option<&'static str>,
    pub ruleset: &'static str,
    pub version: String,
}

impl Rule {
    /// The rule with an identifier. Of an unknown rule only the identifier is written.
    pub(super) fn named(id: &str) -> Self {
        let meta = rule(id);
        Self {
            id: id.to_owned(),
            name: meta.map_or(id, |meta| meta.name).to_owned(),
            description: meta.map(|meta| meta.description),
            ruleset: "smb-sensor",
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// The metadata of a rule.
pub(super) fn rule(id: &str) -> Option<&'static sensor_core::rules::RuleMeta> {
    sensor_core::rules::ALL.iter().map(|rule| rule.meta()).find(|meta| meta.id == id)
}

/// ECS `source` or `destination`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    pub address: Option<String>,
    pub ip: Option<String>,
    pub port: Option<u16>,
    /// Hardware address.
    pub mac: Option<String>,
    /// Name of the machine.
    pub domain: Option<String>,
    /// Bytes of IP packets that it sent.
    pub bytes: Option<u64>,
    /// Packets that it sent.
    pub packets: Option<u64>,
    pub user: Option<User>,
    /// Autonomous system of the address.
    #[serde(rename = "as")]
    pub autonomous_system: Option<AutonomousSystem>,
    pub geo: Option<Geo>,
}

/// ECS `source.as` or `destination.as`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AutonomousSystem {
    pub number: u32,
    pub organization: Option<Organization>,
}

/// ECS `as.organization`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Organization {
    pub name: String,
}

/// ECS `source.geo` or `destination.geo`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Geo {
    /// Two letters (ISO 3166-1).
    pub country_iso_code: String,
}

/// ECS `user`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub id: Option<String>,
    pub name: Option<String>,
    pub domain: Option<String>,
}

/// ECS `network`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub transport: Option<&'static str>,
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    #[schemars(with = "Option<NameOf<Direction>>")]
    pub direction: Option<Direction>,
    pub protocol: Option<&'static str>,
    /// Community ID, version 1, seed 0.
    pub community_id: Option<String>,
    pub bytes: Option<u64>,
    pub packets: Option<u64>,
    pub vlan: Option<Vlan>,
}

/// ECS `network.vlan`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Vlan {
    pub id: String,
}

/// ECS `observer`: the sensor.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Observer {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub product: &'static str,
    pub version: String,
    pub hostname: String,
    pub ingress: Option<Ingress>,
}

/// ECS `observer.ingress`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ingress {
    pub interface: Interface,
}

/// ECS `observer.ingress.interface`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Interface {
    /// Index.
    pub id: String,
    pub name: Option<String>,
}

impl Observer {
    /// The sensor, and the interface that saw the packets.
    pub(super) fn of(sensor: &Sensor, ifindex: Option<u32>) -> Self {
        let interface = |index: u32| Interface {
            id: index.to_string(),
            name: sensor.interface(index).map(str::to_owned),
        };
        Self {
            kind: "sensor",
            product: "smb-sensor",
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: sensor.hostname.clone(),
            ingress: ifindex.map(|index| Ingress { interface: interface(index) }),
        }
    }
}

/// ECS `host`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip: Vec<String>,
    pub name: Option<String>,
    pub hostname: Option<String>,
}

/// ECS `related`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Related {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

impl Related {
    /// Adds a value to a list, once.
    pub(super) fn add(list: &mut Vec<String>, value: &str) {
        if !value.is_empty() && list.iter().all(|known| known != value) {
            list.push(value.to_owned());
        }
    }
}

/// ECS `process`: the one that opened the connections.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Process {
    pub pid: u32,
    pub name: Option<String>,
    pub executable: Option<String>,
    pub thread: Option<Thread>,
}

/// ECS `process.thread`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Thread {
    pub id: u32,
    pub name: String,
}

/// ECS `container`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Container {
    pub id: String,
    pub runtime: Option<String>,
}

/// ECS `threat`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Threat {
    pub framework: Option<&'static str>,
    pub technique: Option<Techniques>,
    pub tactic: Option<Named>,
    pub feed: Option<Feed>,
    pub indicator: Option<Indicator>,
}

/// Techniques or tactics of ATT&CK: identifiers, names and pages, in the same order.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub id: Vec<&'static str>,
    pub name: Vec<&'static str>,
    pub reference: Vec<String>,
}

/// ECS `threat.technique`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Techniques {
    pub id: Vec<&'static str>,
    pub name: Vec<&'static str>,
    pub reference: Vec<String>,
    pub subtechnique: Option<Named>,
}

/// ECS `threat.feed`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Feed {
    pub name: String,
}

/// ECS `threat.indicator`.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Indicator {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub ip: String,
    /// Prefix of the list that covers the address.
    pub name: String,
    pub provider: String,
    pub description: Option<String>,
}
