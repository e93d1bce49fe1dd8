//! The alert as an ECS document, as `schema/alert.schema.json` describes it.

use community_id::calculate_community_id;
use sensor_common::slot::{TCP, mark};
use serde_json::{Map, Value, json};

use super::{indicator, note, owner, smb, timestamp::rfc3339};
use crate::{
    attack::{ATTACK_VERSION, Technique},
    config::Service,
    detect::{Rule, Sight, evidenced},
    threat::ThreatLists,
};

/// Version of the Elastic Common Schema that the field names follow.
const ECS_VERSION: &str = "8.17.0";

/// What a document says beside the flow.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// Now, nanoseconds since the Unix epoch.
    pub now: i128,
    /// Name of the machine the sensor runs on.
    pub hostname: &'a str,
    /// Name of an interface by its index.
    pub interfaces: &'a [(u32, String)],
    /// Whether internal networks beyond the private ranges are configured.
    pub networks_defined: bool,
    /// What is warned of.
    pub threats: &'a ThreatLists,
    /// Records that the ring has lost so far.
    pub lost_records: u64,
}

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// First document.
    Opened,
    /// Evidence rose.
    Updated,
    /// The flow is over; counts are final.
    Closed,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
        }
    }
}

/// The community id (version 1, seed 0) of the conversation, as Zeek, Suricata and Packetbeat compute it.
pub(super) fn community_id(sight: &Sight<'_>) -> String {
    let (client, server) = (sight.client, sight.server);
    let ports = (Some(client.port()), Some(server.port()));
    calculate_community_id(0, client.ip(), server.ip(), ports.0, ports.1, sight.flow.ends.transport, false)
        .unwrap_or_default()
}

/// Builds the document.
#[must_use]
pub fn document(
    rule: &Rule,
    id: &str,
    sequence: u64,
    status: Status,
    sight: &Sight<'_>,
    context: &Context<'_>,
) -> Value {
    let flow = sight.flow;
    let indicators = indicator::of(sight, context.threats);
    let (severity, risk_score) = indicator::weigh(rule.weight(sight), sight, &indicators);
    let counts = flow.counts();
    let (client, server) = (flow.client as usize, flow.server() as usize);
    let mut document = json!({
        "@timestamp": rfc3339(context.now),
        "ecs": { "version": ECS_VERSION },
        "message": format!("{}: {}", rule.name, note::seen(sight)),
        "event": {
            "kind": "alert",
            "category": ["network", "intrusion_detection"],
            "type": [if status == Status::Closed { "end" } else { "info" }],
            "module": "smb_sensor",
            "dataset": "smb_sensor.alert",
            "id": id,
            "sequence": sequence,
            "severity": risk_score,
            "risk_score": risk_score,
            "start": rfc3339(flow.first),
            "end": rfc3339(flow.last),
            "duration": i64::try_from(flow.last - flow.first).unwrap_or(i64::MAX),
        },
        "rule": {
            "id": rule.id,
            "name": rule.name,
            "description": rule.description,
            "ruleset": "smb-sensor",
            "version": env!("CARGO_PKG_VERSION"),
            "threat": rule.techniques.iter().map(|technique| static_technique(technique)).collect::<Vec<_>>(),
        },
        "source": end(sight.client, counts.bytes[client], counts.packets[client]),
        "destination": end(sight.server, counts.bytes[server], counts.packets[server]),
        "network": {
            "transport": if flow.ends.transport == TCP { "tcp" } else { "udp" },
            "type": if sight.client.is_ipv4() { "ipv4" } else { "ipv6" },
            "direction": sight.direction.name(),
            "community_id": community_id(sight),
            "bytes": counts.bytes[0] + counts.bytes[1],
            "packets": counts.packets[0] + counts.packets[1],
        },
        "observer": observer(sight, context),
        "smb_sensor": {
            "alert": { "status": status.name(), "severity": severity.name() },
            "evidence": {
                "level": flow.evidence.name(),
                "smb_spoken": flow.smb_spoken(),
                "one_sided": flow.one_sided(),
                "bytes_sent": counts.payload[client],
                "bytes_received": counts.payload[server],
                "bytes_left_network": note::bytes_left(sight),
            },
            "service": service(sight.service),
            "note": note::note(rule, sight, context.networks_defined),
            "false_positives": rule.false_positives,
            "loss": { "ring_records": context.lost_records },
        },
    });
    if let Some(vlan) = flow.vlan {
        document["network"]["vlan"] = json!({ "id": vlan.to_string() });
    }
    smb::add(&mut document, sight);
    if flow.marks & mark::DROPPED != 0 {
        document["event"]["type"] = json!(["denied"]);
        document["smb_sensor"]["enforcement"] = json!("dropped");
    }
    if flow.smb_spoken() {
        document["network"]["protocol"] = json!("smb");
    }
    owner::tell(sight, &mut document);
    if let Some(threat) = threat(&evidenced(sight)) {
        document["threat"] = threat;
    }
    indicator::tell(&indicators, sight, &mut document);
    document
}

fn end(address: std::net::SocketAddr, bytes: u64, packets: u64) -> Value {
    let ip = address.ip().to_string();
    json!({ "address": ip, "ip": ip, "port": address.port(), "bytes": bytes, "packets": packets })
}

const fn service(service: Service) -> &'static str {
    match service {
        Service::Smb => "smb",
        Service::Rpc => "dce_rpc",
        Service::Netbios => "netbios",
    }
}

/// ECS `observer`, with the interface that saw most of the flow and the hooks that saw its packets.
fn observer(sight: &Sight<'_>, context: &Context<'_>) -> Value {
    let mut hooks = Vec::new();
    for (bit, name) in [
        (mark::HOOK_XDP_INGRESS, "xdp_ingress"),
        (mark::HOOK_TC_INGRESS, "tc_ingress"),
        (mark::HOOK_TC_EGRESS, "tc_egress"),
    ] {
        if sight.flow.marks & bit != 0 {
            hooks.push(name);
        }
    }
    let mut observer = json!({
        "type": "sensor",
        "product": "smb-sensor",
        "version": env!("CARGO_PKG_VERSION"),
        "hostname": context.hostname,
        "hook": hooks,
    });
    if let Some(index) = sight.flow.interfaces().first() {
        let name = context.interfaces.iter().find(|(known, _)| known == index).map(|(_, name)| name.as_str());
        observer["ingress"] =
            json!({ "interface": { "id": index.to_string(), "name": name.unwrap_or("unknown") } });
    }
    observer
}

fn static_technique(technique: &Technique) -> Value {
    let tactics: Vec<_> = technique
        .tactics
        .iter()
        .map(|tactic| json!({ "id": tactic.id, "name": tactic.name, "reference": tactic.url() }))
        .collect();
    json!({
        "technique": { "id": technique.id, "name": technique.name, "reference": technique.url() },
        "tactic": tactics,
    })
}

/// ECS `threat` for the techniques that the evidence shows; none without evidence.
fn threat(shown: &[&Technique]) -> Option<Value> {
    if shown.is_empty() {
        return None;
    }
    let mut tactics = Vec::new();
    for technique in shown {
        for tactic in technique.tactics {
            if !tactics.contains(tactic) {
                tactics.push(*tactic);
            }
        }
    }
    let mut threat = Map::new();
    threat.insert("framework".into(), json!("MITRE ATT&CK"));
    threat.insert("version".into(), json!(ATTACK_VERSION));
    threat.insert(
        "technique".into(),
        json!({
            "id": shown.iter().map(|technique| technique.id).collect::<Vec<_>>(),
            "name": shown.iter().map(|technique| technique.name).collect::<Vec<_>>(),
            "reference": shown.iter().map(|technique| technique.url()).collect::<Vec<_>>(),
        }),
    );
    threat.insert(
        "tactic".into(),
        json!({
            "id": tactics.iter().map(|tactic| tactic.id).collect::<Vec<_>>(),
            "name": tactics.iter().map(|tactic| tactic.name).collect::<Vec<_>>(),
            "reference": tactics.iter().map(|tactic| tactic.url()).collect::<Vec<_>>(),
        }),
    );
    Some(Value::Object(threat))
}

#[cfg(test)]
static NO_THREATS: std::sync::LazyLock<ThreatLists> = std::sync::LazyLock::new(ThreatLists::default);

#[cfg(test)]
impl Context<'static> {
    /// A context with fixed values.
    pub(crate) fn for_tests() -> Self {
        Self {
            now: 1_700_000_000_500_000_000,
            hostname: "gateway",
            interfaces: &[],
            networks_defined: true,
            threats: &NO_THREATS,
            lost_records: 0,
        }
    }
}

#[cfg(test)]
mod tests;
