//! The document of an event of an incident.

mod context;
mod fields;
mod own;

use schemars::JsonSchema;
use sensor_core::{
    address::Direction,
    enrichment,
    incident::{Credential, Incident, IncidentAction, IncidentEvent, LogonOutcome, Party, message},
    level::EvidenceLevel,
    service::Service,
};
use serde::Serialize;

use self::{fields::SmbSensor, own::own};
use super::{
    Sensor,
    brief::{Brief, Briefed},
    endpoint,
    fields::{
        AutonomousSystem, Category, Container, DataStream, Ecs, Endpoint, Event, EventKind, EventType, Geo,
        Host, Network, Observer, Organization, Outcome, Process, Related, Rule, Threat, User, Vlan,
    },
    quic::Tls,
    techniques,
};
use crate::{rfc3339::rfc3339, storage::DocumentKind};

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

impl Briefed for IncidentDocument {
    fn brief(&self) -> Brief {
        Brief {
            incident: Some(self.smb_sensor.incident.id.clone()),
            message: Some(self.message.clone()),
            ..Brief::of(&self.event, &self.observer).of_rule(&self.rule).between(
                &self.source,
                &self.destination,
                &self.network,
            )
        }
    }
}

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
        data_stream: DataStream::of(DocumentKind::Incident),
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
            name: incident.internal.best_name().map(str::to_owned),
            hostname: None,
        }),
        related: related(incident),
        process,
        user,
        container,
        tls: Tls::of(&incident.quic, &incident.tls_servers),
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
        dataset: DocumentKind::Incident.dataset(),
        id: Some(format!("{}-{}", incident.id, event.sequence)),
        sequence: Some(event.sequence),
        severity: Some(incident.severity),
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
        let known = party.enrichment();
        Endpoint {
            address: ip.clone(),
            ip,
            port: None,
            mac: known.and_then(|known| known.mac.clone()),
            domain: party.best_name().filter(|name| !name.is_empty()).map(str::to_owned),
            bytes: Some(counted.bytes[side]),
            packets: Some(counted.packets[side]),
            user: None,
            autonomous_system: known
                .and_then(|known| known.autonomous_system.as_ref())
                .map(autonomous_system),
            geo: known
                .and_then(|known| known.country.clone())
                .map(|country_iso_code| Geo { country_iso_code }),
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

fn autonomous_system(system: &enrichment::AutonomousSystem) -> AutonomousSystem {
    AutonomousSystem {
        number: system.number,
        organization: system.organisation.clone().map(|name| Organization { name }),
    }
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
        direction: Some(incident.direction),
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
        let names = [party.best_name(), party.name.as_deref()];
        names.iter().flatten().for_each(|name| Related::add(&mut related.hosts, name));
        let configured = party.enrichment().into_iter().flat_map(|known| &known.configured_names);
        configured.for_each(|one| Related::add(&mut related.hosts, &one.name));
    }
    for one in &incident.credentials {
        one.user.iter().for_each(|user| Related::add(&mut related.user, user));
        one.workstation.iter().for_each(|name| Related::add(&mut related.hosts, name));
    }
    related
}
