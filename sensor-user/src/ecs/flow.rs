//! The document of a finished connection, in the shape of Packetbeat's flows, so that rules for Packetbeat match it.

use schemars::JsonSchema;
use sensor_common::slot::mark;
use sensor_core::{event::FlowSummary, level::EvidenceLevel, service::Service, view::FlowView};
use sensor_dissect::facts::Credential;
use serde::Serialize;

use super::{
    Sensor,
    brief::{Brief, Briefed},
    endpoint::{self, ProcessDetails},
    fields::{
        Category, Container, DataStream, Ecs, Endpoint, Event, EventKind, EventType, Host, Network, Observer,
        Outcome, Process, Related, User, Vlan,
    },
    name_of::NameOf,
    netbios::{self, NetbiosFields},
    quic::{QuicFields, Tls},
    smb::{self, CredentialFields, RpcFields, SmbFields},
    webdav::WebDavFields,
};
use crate::{rfc3339::rfc3339, storage::DocumentKind};

/// The document.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FlowDocument {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    ecs: Ecs,
    #[serde(rename = "type")]
    kind: &'static str,
    data_stream: DataStream,
    event: Event,
    flow: FlowFields,
    source: Endpoint,
    destination: Endpoint,
    network: Network,
    observer: Observer,
    host: Host,
    agent: Agent,
    related: Related,
    process: Option<Process>,
    user: Option<User>,
    container: Option<Container>,
    tls: Option<Tls>,
    smb_sensor: SmbSensor,
}

impl Briefed for FlowDocument {
    fn brief(&self) -> Brief {
        Brief {
            incident: self.smb_sensor.incident.as_ref().map(|link| link.id.clone()),
            ..Brief::of(&self.event, &self.observer).between(&self.source, &self.destination, &self.network)
        }
    }
}

/// `flow` of Packetbeat.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FlowFields {
    #[serde(rename = "final")]
    is_final: bool,
    id: String,
}

/// ECS `agent`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Agent {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    version: &'static str,
}

/// Fields that are not in ECS.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SmbSensor {
    evidence: EvidenceFields,
    service: &'static str,
    /// Hooks of the kernel program that saw its packets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hooks: Vec<&'static str>,
    incident: Option<IncidentLink>,
    exempt: Option<Exempt>,
    smb: Option<SmbFields>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credentials: Vec<CredentialFields>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rpc: Vec<RpcFields>,
    netbios: Option<NetbiosFields>,
    /// What the client offered over QUIC.
    quic: Option<QuicFields>,
    webdav: Option<WebDavFields>,
    process: Option<ProcessDetails>,
    enforcement: Option<&'static str>,
    loss: Loss,
}

/// The evidence level.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EvidenceFields {
    /// How far the client got; absent where it is not known which side is the client.
    #[schemars(with = "Option<NameOf<EvidenceLevel>>")]
    level: Option<EvidenceLevel>,
    roles_known: bool,
    smb_spoken: bool,
    one_sided: bool,
    /// Segments had different bytes at the same place of the stream.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    conflicting_segments: bool,
    joined_late: bool,
    complete: bool,
    left_bytes: u64,
    came_bytes: u64,
    retransmitted_bytes: u64,
}

/// Its incident.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IncidentLink {
    id: String,
}

/// The exemption that covered it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Exempt {
    id: String,
}

/// Observations that may be missing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Loss {
    ring_records_before: u64,
    sampled: bool,
}

/// Its identifier: the same five-tuple at another time is another connection.
pub(super) fn id(view: &FlowView<'_>) -> String {
    let community =
        endpoint::community_id(view.client, view.server, view.tuple.transport).unwrap_or_default();
    format!("{community}/{}/{}", view.first.unix_nanos() / 1_000_000, view.counts.total_packets())
}

/// Builds the document.
pub(super) fn document(summary: &FlowSummary, sensor: &Sensor) -> FlowDocument {
    let view = summary.view();
    let written = rfc3339(view.last);
    let process = view.process.map(|process| endpoint::process_fields(process));
    let (process, user, container, details) = match process {
        Some((process, user, container, details)) => (Some(process), Some(user), container, Some(details)),
        None => (None, None, None, None),
    };
    let facts = view.facts.map(AsRef::as_ref);
    let quic = view.quic.map(AsRef::as_ref);
    FlowDocument {
        timestamp: written.clone(),
        ecs: Ecs::new(),
        kind: "flow",
        data_stream: DataStream::of(DocumentKind::Flow),
        event: event(&view, written),
        flow: FlowFields { is_final: true, id: id(&view) },
        source: end(&view, true),
        destination: end(&view, false),
        network: network(&view),
        observer: Observer::of(sensor, view.ifindex),
        host: Host {
            ip: vec![],
            name: Some(sensor.hostname.clone()),
            hostname: Some(sensor.hostname.clone()),
        },
        agent: Agent {
            kind: "smb-sensor",
            name: sensor.hostname.clone(),
            version: env!("CARGO_PKG_VERSION"),
        },
        related: related(&view),
        process,
        user,
        container,
        tls: Tls::of(quic, view.tls_server),
        smb_sensor: SmbSensor {
            evidence: EvidenceFields {
                level: view.roles_known.then_some(view.level),
                roles_known: view.roles_known,
                smb_spoken: view.smb_spoken,
                one_sided: view.one_sided,
                conflicting_segments: view.conflicting,
                joined_late: view.joined_late,
                complete: view.complete,
                left_bytes: view.bytes_left(),
                came_bytes: view.bytes_came(),
                retransmitted_bytes: view.counts.retransmitted.iter().sum(),
            },
            service: endpoint::service(view.service),
            hooks: hooks(view.marks),
            incident: summary.incident.map(|id| IncidentLink { id: id.to_string() }),
            exempt: summary.exemption.clone().map(|id| Exempt { id }),
            smb: SmbFields::of(facts, view.encrypted),
            credentials: facts.map(smb::credentials).unwrap_or_default(),
            rpc: facts.map(smb::rpc).unwrap_or_default(),
            netbios: NetbiosFields::of(&view),
            quic: quic.map(QuicFields::of),
            webdav: WebDavFields::of_connection(facts),
            process: details,
            enforcement: view.dropped.then_some("dropped"),
            loss: Loss { ring_records_before: view.lost_before, sampled: false },
        },
    }
}

/// The hooks whose marks are set.
fn hooks(marks: u16) -> Vec<&'static str> {
    let hooks = [
        (mark::HOOK_XDP_INGRESS, "xdp_ingress"),
        (mark::HOOK_TC_INGRESS, "tc_ingress"),
        (mark::HOOK_TC_EGRESS, "tc_egress"),
    ];
    hooks.into_iter().filter(|(bit, _)| marks & bit != 0).map(|(_, name)| name).collect()
}

fn event(view: &FlowView<'_>, written: String) -> Event {
    let mut types = vec![EventType::Connection, EventType::End];
    if view.dropped {
        types = vec![EventType::Denied];
    }
    Event {
        kind: EventKind::Event,
        category: vec![Category::Network],
        types,
        action: "network_flow".to_owned(),
        outcome: match view.level {
            _ if !view.roles_known => Outcome::Unknown,
            EvidenceLevel::Attempt | EvidenceLevel::Answered => Outcome::Unknown,
            EvidenceLevel::Refused => Outcome::Failure,
            _ => Outcome::Success,
        },
        module: "smb_sensor",
        dataset: DocumentKind::Flow.dataset(),
        id: None,
        sequence: None,
        severity: None,
        risk_score: None,
        start: rfc3339(view.first),
        end: rfc3339(view.last),
        duration: u64::try_from(view.last.since(view.first).as_nanos()).unwrap_or(u64::MAX),
        created: None,
        // The sensor's store is the first to receive it.
        ingested: Some(written),
    }
}

fn end(view: &FlowView<'_>, client: bool) -> Endpoint {
    let address = if client { view.client } else { view.server };
    let side = usize::from(address != view.tuple.local);
    let ip = address.ip().to_string();
    let domain = view.facts.filter(|_| !client).and_then(|facts| facts.server.names.dns_computer.clone());
    Endpoint {
        address: Some(ip.clone()),
        ip: Some(ip),
        port: Some(address.port()),
        mac: None,
        domain,
        bytes: Some(view.counts.bytes[side]),
        packets: Some(view.counts.packets[side]),
        user: client.then(|| user(view)).flatten(),
        autonomous_system: None,
        geo: None,
    }
}

/// The first user that the client named.
fn user(view: &FlowView<'_>) -> Option<User> {
    let named =
        |one: &&Credential| !one.is_anonymous() && one.user.as_deref().is_some_and(|user| !user.is_empty());
    let one = view.facts?.credentials.iter().find(named)?;
    let domain = one.domain.clone().filter(|domain| !domain.is_empty());
    Some(User { id: None, name: one.user.clone(), domain })
}

fn network(view: &FlowView<'_>) -> Network {
    let spoken = view.smb_spoken
        || view.level >= EvidenceLevel::Smb
        || view.quic.is_some()
        || view.service == Service::WebDav;
    Network {
        transport: Some(endpoint::transport(view.tuple.transport)),
        kind: Some(if view.client.is_ipv4() { "ipv4" } else { "ipv6" }),
        direction: view.roles_known.then_some(view.direction),
        protocol: spoken.then(|| endpoint::protocol(view.service)),
        community_id: endpoint::community_id(view.client, view.server, view.tuple.transport),
        bytes: Some(view.counts.bytes.iter().sum()),
        packets: Some(view.counts.total_packets()),
        vlan: view.vlan.map(|id| Vlan { id: id.to_string() }),
    }
}

fn related(view: &FlowView<'_>) -> Related {
    let mut related = Related::default();
    for address in [view.client, view.server] {
        Related::add(&mut related.ip, &address.ip().to_string());
    }
    let credentials = view.facts.map_or(&[][..], |facts| &facts.credentials);
    for one in credentials {
        one.user.iter().for_each(|user| Related::add(&mut related.user, user));
        one.workstation.iter().for_each(|name| Related::add(&mut related.hosts, name));
    }
    netbios::hosts(view).iter().for_each(|name| Related::add(&mut related.hosts, name));
    related
}
