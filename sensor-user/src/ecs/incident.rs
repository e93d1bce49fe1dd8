//! The document of an event of an incident.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use sensor_core::{
    address::Direction,
    incident::{
        Credential, Incident, IncidentAction, IncidentEvent, LogonOutcome, Party, Scope, Share, ThreatHit,
        message, steps,
    },
    level::EvidenceLevel,
    service::Service,
};
use sensor_dissect::status::Status;
use serde::Serialize;

use super::{
    Sensor,
    endpoint::{self, ProcessDetails},
    fields::{
        Category, Container, DataStream, Ecs, Endpoint, Event, EventKind, EventType, Host, Network, Observer,
        Outcome, Process, Related, Rule, Threat, User, Vlan,
    },
    quic::{QuicFields, Tls},
    techniques,
    webdav::WebDavFields,
};
use crate::rfc3339::rfc3339;

/// The document.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IncidentDocument {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    ecs: Ecs,
    data_stream: DataStream,
    message: String,
    event: Event,
    rule: Rule,
    threat: Option<Threat>,
    source: Endpoint,
    destination: Endpoint,
    network: Network,
    observer: Observer,
    host: Option<Host>,
    related: Related,
    process: Option<Process>,
    user: Option<User>,
    container: Option<Container>,
    tls: Option<Tls>,
    smb_sensor: SmbSensor,
}

/// Fields that are not in ECS.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SmbSensor {
    incident: IncidentFields,
    findings: Vec<FindingFields>,
    techniques: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credentials: Vec<CredentialFields>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shares: Vec<ShareFields>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rpc: BTreeMap<String, Vec<String>>,
    smb: SmbFields,
    /// What clients offered over QUIC.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quic: Vec<QuicFields>,
    webdav: Option<WebDavFields>,
    volume: Volume,
    connections: Vec<ConnectionFields>,
    timeline: Vec<TimelineFields>,
    note: Note,
    false_positives: &'static [&'static str],
    loss: Loss,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    threat_lists: Vec<ThreatListFields>,
    process: Option<ProcessDetails>,
    /// All that opened connections, up to 8, where it was more than one; the first one is in `process` too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    processes: Vec<Process>,
    /// There were more than are listed.
    more_processes: Option<bool>,
    client: Option<ClientFields>,
    learning_until: Option<String>,
    enforcement: Option<&'static str>,
}

/// The incident.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IncidentFields {
    id: String,
    status: &'static str,
    severity: &'static str,
    scope: ScopeName,
    direction: &'static str,
    evidence: &'static str,
    /// The internal host; the first, if there are several.
    internal: Option<String>,
    internal_addresses: Vec<String>,
    internal_count: u64,
    /// The external host; the first, if there are several.
    external: Option<String>,
    external_addresses: Vec<String>,
    external_count: u64,
    services: Vec<&'static str>,
    ports: Vec<String>,
    connections: u64,
    targets: Option<TargetFields>,
    opened: String,
    updated: String,
    closed: Option<String>,
    first: String,
    last: String,
    continued: u64,
    restarted: bool,
}

/// The subject of an incident.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ScopeName {
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
struct TargetFields {
    total: u64,
    answered: u64,
    refused: u64,
    silent: u64,
}

/// A finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FindingFields {
    rule: String,
    name: String,
    severity: &'static str,
    risk_score: u8,
    fact: String,
    technique: Vec<String>,
    first: String,
    connections: u64,
}

/// A user who authenticated.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CredentialFields {
    method: &'static str,
    user: Option<String>,
    domain: Option<String>,
    workstation: Option<String>,
    target: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fingerprints: Vec<String>,
    outcome: Option<&'static str>,
    status: Option<String>,
    attempts: u64,
}

/// A share.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ShareFields {
    path: String,
    kind: Option<&'static str>,
    connected: Option<bool>,
}

/// The protocol.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SmbFields {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dialects: Vec<String>,
    encrypted: bool,
    joined_late: bool,
    one_sided: bool,
    /// Segments had different bytes at the same place of the stream.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    conflicting_segments: bool,
    complete: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_protocols: Vec<&'static str>,
}

/// Bytes of payload, from the point of view of the internal host.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Volume {
    left_bytes: u64,
    came_bytes: u64,
    left_retransmitted_bytes: u64,
    came_retransmitted_bytes: u64,
    content_left: bool,
    content_came: bool,
}

/// A connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConnectionFields {
    transport: &'static str,
    client: String,
    server: String,
    evidence: &'static str,
    first: String,
    last: String,
    left_bytes: u64,
    came_bytes: u64,
    closed: bool,
    community_id: Option<String>,
}

/// A step of the timeline.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TimelineFields {
    at: String,
    what: String,
}

/// A step to take.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    seen: String,
    check: Vec<String>,
    contain: Vec<String>,
    benign: String,
    hint: Option<String>,
}

/// Observations that may be missing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Loss {
    ring_records: u64,
    sampled: bool,
    credentials_left_out: u64,
    shares_left_out: u64,
}

/// An entry of a threat list.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ThreatListFields {
    list: String,
    prefix: String,
    line: u32,
    description: Option<String>,
}

/// The inferred client.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClientFields {
    inferred: &'static str,
    grounds: Vec<String>,
}

/// The name of the inferred Windows redirector. It may be imitated, so no process number follows from it.
const WINDOWS_KERNEL_CLIENT: &str = "Windows kernel SMB client";

/// Builds the document.
pub(super) fn document(event: &IncidentEvent, sensor: &Sensor) -> IncidentDocument {
    let incident = &event.incident;
    let (source, destination) = endpoints(incident);
    let process = incident.process.as_deref().map(endpoint::process_fields);
    let (process, user, container, details) = match process {
        Some((process, user, container, details)) => (Some(process), Some(user), container, Some(details)),
        None => (None, None, None, None),
    };
    let external = incident.external.only_address();
    let shown = incident.techniques.keys().chain(incident.findings.values().flat_map(|one| &one.techniques));
    IncidentDocument {
        timestamp: rfc3339(event.at),
        ecs: Ecs::new(),
        data_stream: DataStream::of("smb_sensor.incident"),
        message: message::sentence(incident),
        event: event_fields(event),
        rule: Rule::named(&incident.rule),
        threat: techniques::threat(shown.map(String::as_str), &incident.threats, external),
        source,
        destination,
        network: network(incident),
        observer: Observer::of(sensor, incident.ifindex),
        host: incident.internal.only_address().map(|ip| Host {
            ip: vec![ip.to_string()],
            name: incident.internal.name.clone(),
            hostname: None,
        }),
        related: related(incident),
        process,
        user,
        container,
        tls: Tls::of(incident.quic.iter()),
        smb_sensor: own(event, sensor, details),
    }
}

fn event_fields(event: &IncidentEvent) -> Event {
    let incident = &event.incident;
    let mut types = vec![match event.action {
        IncidentAction::Opened => EventType::Start,
        IncidentAction::Closed => EventType::End,
        IncidentAction::Escalated | IncidentAction::Updated => EventType::Info,
    }];
    if incident.counted.dropped > 0 {
        types.push(EventType::Denied);
    }
    Event {
        kind: if event.action.is_alert() { EventKind::Alert } else { EventKind::Event },
        category: vec![Category::Network, Category::IntrusionDetection],
        types,
        action: event.action.name().to_owned(),
        outcome: outcome(incident),
        module: "smb_sensor",
        dataset: "smb_sensor.incident",
        id: Some(format!("{}-{}", incident.id, event.sequence)),
        sequence: Some(event.sequence),
        severity: Some(incident.severity.number()),
        risk_score: Some(incident.risk_score),
        start: rfc3339(incident.first),
        end: rfc3339(incident.last),
        duration: u64::try_from(incident.last.since(incident.first).as_nanos()).unwrap_or(u64::MAX),
        created: Some(rfc3339(event.at)),
        ingested: Some(rfc3339(event.at)),
    }
}

/// Whether the client succeeded: a session if it logged on, otherwise a connection. An unseen answer decides
/// nothing.
fn outcome(incident: &Incident) -> Outcome {
    match incident.level {
        EvidenceLevel::Attempt => Outcome::Unknown,
        EvidenceLevel::Refused => Outcome::Failure,
        level if level >= EvidenceLevel::Session => Outcome::Success,
        _ if incident.counted.logons_refused > 0 => Outcome::Failure,
        _ => Outcome::Unknown,
    }
}

/// Client and server. A side with many hosts has no address here, because no single host did everything.
fn endpoints(incident: &Incident) -> (Endpoint, Endpoint) {
    let counted = &incident.counted;
    let end = |party: &Party, side: usize| {
        let ip = party.only_address().map(|ip| ip.to_string());
        Endpoint {
            address: ip.clone(),
            ip,
            port: None,
            domain: party.name.clone().filter(|name| !name.is_empty()),
            bytes: Some(counted.bytes[side]),
            packets: Some(counted.packets[side]),
            user: None,
        }
    };
    let (internal, external) = (end(&incident.internal, 0), end(&incident.external, 1));
    let (mut source, mut destination) = match incident.direction {
        Direction::Outbound => (internal, external),
        Direction::Inbound => (external, internal),
    };
    if let [(_, port, _)] = incident.ports.as_slice() {
        destination.port = Some(*port);
    }
    if let ([connection], 1) = (incident.connections.as_slice(), counted.connections) {
        source.port = Some(connection.client.port());
    }
    source.user = named_user(incident);
    (source, destination)
}

/// The most successful user: an accepted one before others.
fn named_user(incident: &Incident) -> Option<User> {
    let named =
        incident.credentials.iter().filter(|one| one.user.as_deref().is_some_and(|user| !user.is_empty()));
    let rank =
        |one: &&Credential| (one.outcome == Some(LogonOutcome::Accepted), std::cmp::Reverse(one.first));
    named.max_by_key(rank).map(|one| User {
        id: None,
        name: one.user.clone(),
        domain: one.domain.clone().filter(|domain| !domain.is_empty()),
    })
}

fn network(incident: &Incident) -> Network {
    let counted = &incident.counted;
    let connection = incident.connections.first();
    let client = incident.client().addresses.first().or(incident.server().addresses.first());
    let (transport, service) = incident
        .ports
        .first()
        .map_or((None, None), |(transport, _, service)| (Some(*transport), Some(*service)));
    // Log-ons of WebDAV raise the level too.
    let is_webdav = incident.webdav.is_some() && incident.dialects.is_empty();
    let service = if is_webdav { Some(Service::WebDav) } else { service };
    let spoken = incident.level >= EvidenceLevel::Smb;
    Network {
        transport: transport.map(endpoint::transport),
        kind: client.map(|ip| if ip.is_ipv4() { "ipv4" } else { "ipv6" }),
        direction: Some(incident.direction.name()),
        protocol: service.filter(|service| spoken || *service != Service::Smb).map(endpoint::protocol),
        community_id: connection
            .filter(|_| incident.counted.connections == 1)
            .and_then(|one| endpoint::community_id(one.client, one.server, one.transport)),
        bytes: Some(counted.bytes[0] + counted.bytes[1]),
        packets: Some(counted.packets[0] + counted.packets[1]),
        vlan: incident.vlan.map(|id| Vlan { id: id.to_string() }),
    }
}

fn related(incident: &Incident) -> Related {
    let mut related = Related::default();
    for party in [&incident.internal, &incident.external] {
        party.addresses.iter().for_each(|ip| Related::add(&mut related.ip, &ip.to_string()));
        party.name.iter().for_each(|name| Related::add(&mut related.hosts, name));
    }
    for one in &incident.credentials {
        one.user.iter().for_each(|user| Related::add(&mut related.user, user));
        one.workstation.iter().for_each(|name| Related::add(&mut related.hosts, name));
    }
    related
}

fn own(event: &IncidentEvent, sensor: &Sensor, process: Option<ProcessDetails>) -> SmbSensor {
    let incident = &event.incident;
    let counted = &incident.counted;
    let advice = steps::steps(incident, sensor.networks_defined);
    SmbSensor {
        incident: incident_fields(event),
        findings: incident.findings.values().map(finding).collect(),
        techniques: incident.techniques.clone(),
        credentials: incident.credentials.iter().map(credential).collect(),
        shares: incident.shares.iter().map(share).collect(),
        rpc: incident.operations.clone(),
        smb: SmbFields {
            dialects: incident.dialects.clone(),
            encrypted: incident.encrypted,
            joined_late: incident.joined_late,
            one_sided: incident.one_sided,
            conflicting_segments: incident.conflicting,
            complete: incident.complete && incident.lost_records == 0,
            other_protocols: incident.other_protocols.iter().map(|one| one.name()).collect(),
        },
        quic: incident.quic.iter().map(QuicFields::of).collect(),
        webdav: incident.webdav.as_ref().map(WebDavFields::of_incident),
        volume: Volume {
            left_bytes: counted.payload[0],
            came_bytes: counted.payload[1],
            left_retransmitted_bytes: counted.retransmitted[0],
            came_retransmitted_bytes: counted.retransmitted[1],
            content_left: incident.content.left,
            content_came: incident.content.came,
        },
        connections: incident.connections.iter().map(connection).collect(),
        timeline: incident
            .timeline
            .iter()
            .map(|entry| TimelineFields { at: rfc3339(entry.at), what: entry.what.phrase() })
            .collect(),
        note: Note {
            seen: message::sentence(incident),
            check: advice.check,
            contain: advice.contain,
            benign: advice.benign,
            hint: advice.hint,
        },
        false_positives: super::fields::rule(&incident.rule).map_or(&[], |meta| meta.false_positives),
        loss: Loss {
            ring_records: incident.lost_records,
            sampled: false,
            credentials_left_out: incident.credentials_left_out,
            shares_left_out: incident.shares_left_out,
        },
        threat_lists: incident.threats.iter().map(threat_list).collect(),
        process,
        processes: if incident.other_processes.is_empty() {
            vec![]
        } else {
            incident.processes().map(|one| endpoint::process_fields(one).0).collect()
        },
        more_processes: incident.more_processes.then_some(true),
        client: (!incident.windows_client.is_empty() && incident.process.is_none()).then(|| ClientFields {
            inferred: WINDOWS_KERNEL_CLIENT,
            grounds: incident.windows_client.clone(),
        }),
        learning_until: incident.learning_until.map(rfc3339),
        enforcement: (counted.dropped > 0).then_some("dropped"),
    }
}

fn incident_fields(event: &IncidentEvent) -> IncidentFields {
    let incident = &event.incident;
    let mut services: Vec<_> =
        incident.ports.iter().map(|(_, _, service)| endpoint::service(*service)).collect();
    services.dedup();
    let first = |party: &Party| party.addresses.first().map(ToString::to_string);
    let texts = |party: &Party| party.addresses.iter().map(ToString::to_string).collect();
    IncidentFields {
        id: incident.id.to_string(),
        status: match event.action {
            IncidentAction::Opened => "opened",
            IncidentAction::Escalated => "escalated",
            IncidentAction::Updated => "updated",
            IncidentAction::Closed => "closed",
        },
        severity: incident.severity.name(),
        scope: match incident.scope {
            Scope::Pair => ScopeName::Pair,
            Scope::Client => ScopeName::Client,
            Scope::Exposure => ScopeName::Exposure,
            Scope::Connection => ScopeName::Connection,
        },
        direction: incident.direction.name(),
        evidence: incident.level.name(),
        internal: first(&incident.internal),
        internal_addresses: texts(&incident.internal),
        internal_count: incident.internal.count,
        external: first(&incident.external),
        external_addresses: texts(&incident.external),
        external_count: incident.external.count,
        services,
        ports: incident
            .ports
            .iter()
            .map(|(transport, port, _)| format!("{}/{port}", endpoint::transport(*transport)))
            .collect(),
        connections: incident.counted.connections,
        targets: incident.targets.map(|targets| TargetFields {
            total: targets.targets,
            answered: targets.answered,
            refused: targets.refused,
            silent: targets.silent,
        }),
        opened: rfc3339(incident.opened),
        updated: rfc3339(event.at),
        closed: incident.closed.map(rfc3339),
        first: rfc3339(incident.first),
        last: rfc3339(incident.last),
        continued: incident.continued,
        restarted: incident.restarted,
    }
}

fn finding(finding: &sensor_core::incident::FindingRecord) -> FindingFields {
    FindingFields {
        rule: finding.rule.clone(),
        name: super::fields::rule(&finding.rule).map_or(finding.rule.as_str(), |meta| meta.name).to_owned(),
        severity: finding.severity.name(),
        risk_score: finding.risk_score,
        fact: finding.fact.clone(),
        technique: finding.techniques.clone(),
        first: rfc3339(finding.first),
        connections: finding.connections,
    }
}

fn credential(one: &Credential) -> CredentialFields {
    CredentialFields {
        method: one.method.name(),
        user: one.user.clone(),
        domain: one.domain.clone(),
        workstation: one.workstation.clone(),
        target: one.target.clone(),
        fingerprints: one.fingerprints.clone(),
        outcome: one.outcome.map(|outcome| match outcome {
            LogonOutcome::Accepted => "accepted",
            LogonOutcome::AcceptedAsGuest => "accepted_as_guest",
            LogonOutcome::Refused => "refused",
        }),
        status: one.status.map(|status| Status::Nt(status).to_string()),
        attempts: one.attempts,
    }
}

fn share(share: &Share) -> ShareFields {
    ShareFields {
        path: share.path.clone(),
        kind: share.kind.map(sensor_core::incident::ShareKind::name),
        connected: share.connected,
    }
}

fn connection(one: &sensor_core::incident::ConnectionRecord) -> ConnectionFields {
    ConnectionFields {
        transport: endpoint::transport(one.transport),
        client: one.client.to_string(),
        server: one.server.to_string(),
        evidence: one.level.name(),
        first: rfc3339(one.first),
        last: rfc3339(one.last),
        left_bytes: one.bytes_left,
        came_bytes: one.bytes_came,
        closed: one.closed,
        community_id: endpoint::community_id(one.client, one.server, one.transport),
    }
}

fn threat_list(hit: &ThreatHit) -> ThreatListFields {
    ThreatListFields {
        list: hit.list.clone(),
        prefix: hit.prefix.clone(),
        line: hit.line,
        description: hit.description.clone(),
    }
}
