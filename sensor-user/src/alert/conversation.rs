//! What the documents of alerts and the summaries of flows say alike of a conversation.

use community_id::calculate_community_id;
use sensor_common::slot::{TCP, mark};
use serde_json::{Value, json};

use super::{Context, document::sensor, netbios, note, owner, smb};
use crate::{config::Service, detect::Sight};

/// The community id (version 1, seed 0) of the conversation, as Zeek, Suricata and Packetbeat compute it.
pub(super) fn community_id(sight: &Sight<'_>) -> String {
    let (client, server) = (sight.client, sight.server);
    let ports = (Some(client.port()), Some(server.port()));
    calculate_community_id(0, client.ip(), server.ip(), ports.0, ports.1, sight.flow.ends.transport, false)
        .unwrap_or_default()
}

/// ECS `source` and `destination`: the client and the server.
pub(super) fn ends(sight: &Sight<'_>) -> [Value; 2] {
    let counts = sight.flow.counts();
    [(sight.client, sight.flow.client), (sight.server, sight.flow.server())]
        .map(|(address, side)| end(address, counts.bytes[side as usize], counts.packets[side as usize]))
}

/// ECS `network`.
pub(super) fn network(sight: &Sight<'_>) -> Value {
    let counts = sight.flow.counts();
    json!({
        "transport": if sight.flow.ends.transport == TCP { "tcp" } else { "udp" },
        "type": if sight.client.is_ipv4() { "ipv4" } else { "ipv6" },
        "direction": sight.direction.name(),
        "community_id": community_id(sight),
        "bytes": counts.bytes[0] + counts.bytes[1],
        "packets": counts.packets[0] + counts.packets[1],
    })
}

/// `smb_sensor.evidence`.
pub(super) fn evidence(sight: &Sight<'_>) -> Value {
    let (flow, payload) = (sight.flow, sight.flow.counts().payload);
    json!({
        "level": flow.evidence.name(),
        "smb_spoken": flow.smb_spoken(),
        "one_sided": flow.one_sided(),
        "bytes_sent": payload[flow.client as usize],
        "bytes_received": payload[flow.server() as usize],
        "bytes_left_network": note::bytes_left(sight),
    })
}

/// Adds what is known of some conversations only: VLAN, what was said, whether it was dropped, who opened it.
pub(super) fn tell(sight: &Sight<'_>, document: &mut Value) {
    if let Some(vlan) = sight.flow.vlan {
        document["network"]["vlan"] = json!({ "id": vlan.to_string() });
    }
    document["related"] = json!({ "ip": [sight.client.ip().to_string(), sight.server.ip().to_string()] });
    smb::add(document, sight);
    netbios::add(document, sight);
    if sight.flow.marks & mark::DROPPED != 0 {
        document["event"]["type"] = json!(["denied"]);
        document["smb_sensor"]["enforcement"] = json!("dropped");
    }
    if sight.flow.smb_spoken() {
        document["network"]["protocol"] = json!("smb");
    }
    owner::tell(sight, document);
}

fn end(address: std::net::SocketAddr, bytes: u64, packets: u64) -> Value {
    let ip = address.ip().to_string();
    json!({ "address": ip, "ip": ip, "port": address.port(), "bytes": bytes, "packets": packets })
}

pub(super) const fn service(service: Service) -> &'static str {
    match service {
        Service::Smb => "smb",
        Service::Rpc => "dce_rpc",
        Service::Netbios => "netbios",
    }
}

/// ECS `observer`, with the interface that saw most of the flow and the hooks that saw its packets.
pub(super) fn observer(sight: &Sight<'_>, context: &Context<'_>) -> Value {
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
    let mut observer = sensor(context);
    observer["hook"] = json!(hooks);
    if let Some(index) = sight.flow.interfaces().first() {
        let name = context.interfaces.iter().find(|(known, _)| known == index).map(|(_, name)| name.as_str());
        observer["ingress"] =
            json!({ "interface": { "id": index.to_string(), "name": name.unwrap_or("unknown") } });
    }
    observer
}
