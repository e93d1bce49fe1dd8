//! The alert on a sweep as an ECS document, as `schema/sweep.schema.json` describes it.

use std::net::IpAddr;

use sensor_common::slot::UDP;
use serde_json::{Value, json};

use super::{
    Context, Status,
    document::{ECS_VERSION, loss, sensor, threat, told_rule},
    indicator, note, owner,
    timestamp::rfc3339,
};
use crate::{
    attack::NETWORK_SERVICE_DISCOVERY,
    detect::{
        Direction,
        sweep::{RULE, Sweep, weight},
    },
};

/// Builds the document.
pub(super) fn document(
    id: &str,
    sequence: u64,
    status: Status,
    sweep: &Sweep,
    context: &Context<'_>,
) -> Value {
    let reached = sweep.reached;
    let from_listed = sweep.direction == Direction::Inbound && reached.listed > 0;
    let indicators = indicator::of(from_listed, sweep.source, context.threats);
    let (severity, risk_score) = indicator::weigh(weight(sweep), sweep.evidence(), &indicators);
    let source = sweep.source.to_string();
    let (sample, answered) = (texts(&sweep.sample), texts(&sweep.answered));
    let mut related = vec![source.clone()];
    related.extend(answered.iter().chain(sample.iter().filter(|one| !answered.contains(one))).cloned());
    let ports: Vec<_> = sweep
        .ports
        .iter()
        .map(|(transport, port)| json!({ "transport": transport_name(*transport), "port": port }))
        .collect();
    let mut document = json!({
        "@timestamp": rfc3339(context.now),
        "ecs": { "version": ECS_VERSION },
        "message": format!("{}: {}", RULE.name, seen(sweep)),
        "event": {
            "kind": "alert",
            "category": ["network", "intrusion_detection"],
            "type": [if status == Status::Closed { "end" } else { "info" }],
            "module": "smb_sensor",
            "dataset": "smb_sensor.sweep",
            "id": id,
            "sequence": sequence,
            "severity": risk_score,
            "risk_score": risk_score,
            "start": rfc3339(sweep.first),
            "end": rfc3339(sweep.last),
            "duration": i64::try_from(sweep.last - sweep.first).unwrap_or(i64::MAX),
        },
        "rule": told_rule(&RULE),
        "source": { "address": source, "ip": source },
        "network": {
            "type": if sweep.source.is_ipv4() { "ipv4" } else { "ipv6" },
            "direction": sweep.direction.name(),
        },
        "observer": sensor(context),
        "related": { "ip": related },
        "smb_sensor": {
            "alert": { "status": status.name(), "severity": severity.name() },
            "sweep": {
                "targets": reached.targets,
                "more_targets": reached.at_least,
                "answered": reached.answered,
                "spoke": reached.spoke,
                "refused": reached.refused,
                "unanswered": reached.unanswered,
                "listed": reached.listed,
                "dropped": reached.dropped,
                "folded_flows": sweep.folded,
                "ports": ports,
                "sample": sample,
                "answered_sample": answered,
            },
            "evidence": { "level": sweep.evidence().name() },
            "note": note::note(&RULE, &seen(sweep), context.networks_defined),
            "false_positives": RULE.false_positives,
            "loss": loss(sweep.lost_before, context),
        },
    });
    if let Some(threat) = threat(&[&NETWORK_SERVICE_DISCOVERY]) {
        document["threat"] = threat;
    }
    if reached.dropped > 0 {
        document["event"]["type"] = json!(["denied"]);
        document["smb_sensor"]["enforcement"] = json!("dropped");
    }
    if let Some(owner) = &sweep.owner {
        owner::add(owner, &mut document);
    }
    indicator::tell(&indicators, sweep.source, &mut document);
    document
}

fn texts(addresses: &[IpAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

const fn transport_name(transport: u8) -> &'static str {
    if transport == UDP { "udp" } else { "tcp" }
}

/// One sentence on what happened.
fn seen(sweep: &Sweep) -> String {
    let (who, whom) = match sweep.direction {
        Direction::Outbound => ("Internal", "external"),
        Direction::Inbound => ("External", "internal"),
    };
    let reached = sweep.reached;
    let ports: Vec<_> = sweep
        .ports
        .iter()
        .map(|(transport, port)| format!("{}/{port}", transport_name(*transport).to_uppercase()))
        .collect();
    let listed = match (sweep.direction, reached.listed) {
        (Direction::Outbound, 1..) => format!(" {} of them are on threat lists.", reached.listed),
        _ => String::new(),
    };
    format!(
        "{who} {} tried {}{} {whom} addresses on {} within {} s: {} answered, {} refused, {} said nothing.{listed}",
        sweep.source,
        if reached.at_least { "at least " } else { "" },
        reached.targets,
        ports.join(", "),
        ((sweep.last - sweep.first).max(0) + 999_999_999) / 1_000_000_000,
        reached.answered,
        reached.refused,
        reached.unanswered,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::document::tests::{SWEEP, assert_valid},
        attack::ATTACK_VERSION,
        detect::sweep::tests::{Who, swept},
    };

    #[test]
    fn the_document_says_who_swept_what_and_follows_the_schema() {
        for (who, direction) in [(Who::Inside, "outbound"), (Who::Stranger, "inbound")] {
            let context = Context { lost_records: 7, ..Context::for_tests() };
            let sweep = swept(who, 300, 0).due(context.now).remove(0).1;
            let document = document("id", 0, Status::Opened, &sweep, &context);
            assert_valid(SWEEP, &document);
            assert_eq!(document["network"]["direction"], direction);
            assert_eq!(document["smb_sensor"]["sweep"]["unanswered"], 300);
            assert_eq!(document["smb_sensor"]["loss"], json!({ "ring_records": 7, "sampled": false }));
            assert_eq!(document["smb_sensor"]["note"]["contain"], RULE.contain);
            let discovery = json!({
                "framework": "MITRE ATT&CK",
                "version": ATTACK_VERSION,
                "technique": {
                    "id": ["T1046"],
                    "name": ["Network Service Discovery"],
                    "reference": ["https://attack.mitre.org/techniques/T1046/"],
                },
                "tactic": {
                    "id": ["TA0007"],
                    "name": ["Discovery"],
                    "reference": ["https://attack.mitre.org/tactics/TA0007/"],
                },
            });
            assert_eq!(document["threat"], discovery);
            let message = document["message"].as_str().unwrap();
            assert!(message.contains(&format!("{} tried 300", sweep.source)), "{message}");
            assert!(message.contains("TCP/445"), "{message}");
        }
    }
}
