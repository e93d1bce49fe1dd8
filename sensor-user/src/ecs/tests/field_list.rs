//! Outside `smb_sensor.*` documents have only fields of ECS, with its types and values.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::documents;

const FIELDS: &str = include_str!("../ecs-fields.csv");

/// Fields of Packetbeat's flow documents that are not in ECS.
const PACKETBEAT: [&str; 3] = ["type", "flow.final", "flow.id"];

pub(super) struct Field {
    pub(super) kind: &'static str,
    array: bool,
    values: Vec<&'static str>,
}

pub(super) fn fields() -> BTreeMap<&'static str, Field> {
    let lines = FIELDS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [name, kind, array, values] = line.split(';').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let values = values.split('|').filter(|value| !value.is_empty()).collect();
            (name, Field { kind, array: array == "array", values })
        })
        .collect()
}

/// Every field of a document with its value; an array is one value.
pub(super) fn leaves<'a>(value: &'a Value, path: String, leaves: &mut Vec<(String, &'a Value)>) {
    let Value::Object(object) = value else {
        leaves.push((path, value));
        return;
    };
    for (name, value) in object {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        self::leaves(value, path, leaves);
    }
}

/// What is wrong with a value, if anything.
fn wrong(field: &Field, value: &Value) -> Option<String> {
    let values = match value {
        Value::Array(values) if field.array => values.iter().collect(),
        Value::Array(_) => return Some("is an array".into()),
        one if field.array => return Some(format!("is {one} and no array")),
        one => vec![one],
    };
    for value in values {
        let fits = match (field.kind, value) {
            ("date", Value::String(text)) => OffsetDateTime::parse(text, &Rfc3339).is_ok(),
            ("ip", Value::String(text)) => text.parse::<IpAddr>().is_ok(),
            ("long", Value::Number(number)) => number.as_i64().is_some(),
            ("float", Value::Number(_)) => true,
            ("keyword" | "constant_keyword" | "match_only_text", Value::String(text)) => !text.is_empty(),
            _ => false,
        };
        if !fits {
            return Some(format!("{value} is no {}", field.kind));
        }
        let text = value.as_str().unwrap_or_default();
        if !field.values.is_empty() && !field.values.contains(&text) {
            return Some(format!("{value} is not allowed"));
        }
    }
    None
}

#[test]
fn every_field_is_valid_ecs() {
    let fields = fields();
    for (name, _, document) in documents() {
        let mut found = Vec::new();
        leaves(&document, String::new(), &mut found);
        for (path, value) in found {
            if path.starts_with("smb_sensor.") || (name.starts_with("flow") && PACKETBEAT.contains(&&*path)) {
                continue;
            }
            let field = fields.get(&*path).unwrap_or_else(|| panic!("{name}: ECS has no {path}"));
            assert_eq!(wrong(field, value), None, "{name}: {path}");
        }
    }
}

#[test]
fn every_listed_field_is_used() {
    let documents = documents();
    let pointer = |path: &str| format!("/{}", path.replace('.', "/"));
    for path in fields().keys() {
        let used = documents.iter().any(|(.., document)| document.pointer(&pointer(path)).is_some());
        assert!(used, "no document has {path}");
    }
}

#[test]
fn severity_maps_to_elastic_and_alerts_are_new_or_worse() {
    for (name, _, document) in documents() {
        let kind = &document["event"]["kind"];
        let alerts = ["incident-opened", "incident-escalated", "campaign Opened"]
            .iter()
            .any(|action| name.ends_with(action));
        assert_eq!(kind == "alert", alerts || name == "quota false", "{name}");
        if let Some(severity) = document["event"]["severity"].as_u64() {
            assert!([21, 47, 73, 99].contains(&severity), "{name}: {severity}");
        }
    }
}

#[test]
fn flows_have_the_fields_that_elastic_rules_read() {
    for (name, _, document) in documents().into_iter().filter(|(name, ..)| name.starts_with("flow")) {
        assert_eq!(document["data_stream"]["dataset"], "network_traffic.flow", "{name}");
        for path in ["event/category", "event/ingested", "network/transport", "source/ip", "destination/ip"] {
            assert!(document.pointer(&format!("/{path}")).is_some(), "{name}: {path}");
        }
        assert!(document["destination"]["port"].is_u64(), "{name}");
    }
}

#[test]
fn finds_values_that_elastic_refuses() {
    let fields = fields();
    let refused = |name: &str, value: Value| wrong(&fields[name], &value).is_some();
    assert!(refused("event.kind", "warning".into()));
    assert!(refused("event.type", "start".into()), "an array is due");
    assert!(refused("source.ip", "fs01".into()));
    assert!(refused("source.port", "445".into()));
    assert!(refused("message", "".into()));
    assert!(!refused("related.ip", serde_json::json!(["::1"])));
}
