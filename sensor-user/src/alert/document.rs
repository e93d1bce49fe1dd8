//! The alert as an ECS document, as `schema/alert.schema.json` describes it.

use sensor_common::slot::{Side, mark};
use serde_json::{Map, Value, json};

use super::{conversation, indicator, note, timestamp::rfc3339};
use crate::{
    attack::{ATTACK_VERSION, Technique},
    detect::{Rule, Sight, evidenced},
    flow::{Cause, Departure},
    threat::ThreatLists,
};

/// Version of the Elastic Common Schema that the field names follow.
pub(super) const ECS_VERSION: &str = "8.17.0";

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
    /// Until when destinations are learnt and none is rare.
    pub learning_until: Option<i128>,
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
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
        }
    }
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
    let external = flow.end(Side::Remote).ip();
    let indicators = indicator::of(flow.marks & mark::THREAT != 0, external, context.threats);
    let (severity, risk_score) = indicator::weigh(rule.weight(sight), flow.evidence, &indicators);
    let [source, destination] = conversation::ends(sight);
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
        "rule": told_rule(rule),
        "source": source,
        "destination": destination,
        "network": conversation::network(sight),
        "observer": conversation::observer(sight, context),
        "smb_sensor": {
            "alert": { "status": status.name(), "severity": severity.name() },
            "evidence": conversation::evidence(sight),
            "service": conversation::service(sight.service),
            "note": note::note(rule, &note::seen(sight), context.networks_defined),
            "false_positives": rule.false_positives,
            "loss": loss(flow.lost_before, context),
        },
    });
    conversation::tell(sight, &mut document);
    if let Some(departure) = flow.departure {
        document["smb_sensor"]["departure"] = told_departure(departure);
    }
    if let Some(until) = context.learning_until {
        document["smb_sensor"]["learning_until"] = json!(rfc3339(until));
    }
    if let Some(threat) = threat(&evidenced(sight)) {
        document["threat"] = threat;
    }
    indicator::tell(&indicators, external, &mut document);
    document
}

/// What left between the two addresses, however many conversations it took.
fn told_departure(departure: Departure) -> Value {
    json!({
        "reached": match departure.cause {
            Cause::Bytes => "bytes",
            Cause::Rate => "rate",
        },
        "bytes": departure.bytes,
        "bytes_per_second": departure.rate,
    })
}

/// ECS `rule`, with the techniques that it is about.
pub(super) fn told_rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "name": rule.name,
        "description": rule.description,
        "ruleset": "smb-sensor",
        "version": env!("CARGO_PKG_VERSION"),
        "threat": rule.techniques.iter().map(|technique| static_technique(technique)).collect::<Vec<_>>(),
    })
}

/// What may be missing: records that the ring lost since there were `before` of them. Nothing is ever sampled.
pub(super) fn loss(before: u64, context: &Context<'_>) -> Value {
    json!({ "ring_records": context.lost_records.saturating_sub(before), "sampled": false })
}

/// ECS `observer`, as far as it is the same for all documents.
pub(super) fn sensor(context: &Context<'_>) -> Value {
    json!({
        "type": "sensor",
        "product": "smb-sensor",
        "version": env!("CARGO_PKG_VERSION"),
        "hostname": context.hostname,
    })
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
pub(super) fn threat(shown: &[&Technique]) -> Option<Value> {
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
            learning_until: None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
