//! Builds the fields of an incident that are not in ECS.

use sensor_core::incident::{
    ConnectionRecord, Credential, FindingRecord, IncidentAction, IncidentEvent, Party, Scope, Share,
    ThreatHit, message, steps,
};
use sensor_dissect::status::Status;

use super::{
    context::{AssetFields, ExternalHostFields, RelatedFields},
    fields::{
        ClientFields, ConnectionFields, CredentialFields, FindingFields, IncidentFields, Loss, Note,
        ScopeName, ShareFields, SmbFields, SmbSensor, TargetFields, ThreatListFields, TimelineFields, Volume,
    },
};
use crate::{
    ecs::{
        Sensor,
        endpoint::{self, ProcessDetails},
        fields,
        quic::QuicFields,
        webdav::WebDavFields,
    },
    rfc3339::rfc3339,
};

/// The name of the inferred Windows redirector. It may be imitated, so no process number follows from it.
const WINDOWS_KERNEL_CLIENT: &str = "Windows kernel SMB client";

pub(super) fn own(event: &IncidentEvent, sensor: &Sensor, process: Option<ProcessDetails>) -> SmbSensor {
    let incident = &event.incident;
    let counted = &incident.counted;
    let advice = steps::steps(incident, sensor.networks_defined);
    SmbSensor {
        incident: incident_fields(event),
        asset: incident.internal.asset.as_ref().map(AssetFields::of),
        external_host: incident
            .external
            .enrichment()
            .and_then(|known| known.sightings.as_ref())
            .map(ExternalHostFields::of),
        related: RelatedFields::of(&incident.related),
        findings: incident.findings.values().map(finding).collect(),
        techniques: incident.techniques.clone(),
        credentials: incident.credentials.iter().map(credential).collect(),
        shares: incident.shares.iter().map(share).collect(),
        rpc: incident.operations.clone(),
        smb: SmbFields {
            dialects: incident.dialects.clone(),
            server_signing: incident.signing.clone(),
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
        false_positives: fields::rule(&incident.rule).map_or(&[], |meta| meta.false_positives),
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
            // Related incidents may be found later.
            IncidentAction::Updated if incident.closed.is_some() => "closed",
            IncidentAction::Updated => "updated",
            IncidentAction::Closed => "closed",
        },
        severity: incident.severity,
        scope: match incident.scope {
            Scope::Pair => ScopeName::Pair,
            Scope::Client => ScopeName::Client,
            Scope::Exposure => ScopeName::Exposure,
            Scope::Connection => ScopeName::Connection,
        },
        direction: incident.direction,
        evidence: incident.level,
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

fn finding(finding: &FindingRecord) -> FindingFields {
    FindingFields {
        rule: finding.rule.clone(),
        name: fields::rule(&finding.rule).map_or(finding.rule.as_str(), |meta| meta.name).to_owned(),
        severity: finding.severity,
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
        outcome: one.outcome,
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

fn connection(one: &ConnectionRecord) -> ConnectionFields {
    ConnectionFields {
        transport: endpoint::transport(one.transport),
        client: one.client.to_string(),
        server: one.server.to_string(),
        evidence: one.level,
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
