//! The document against its schema, and what it says of real-looking flows.

use std::sync::Arc;

use jsonschema::Validator;
use sensor_common::slot::{Side, TCP, UDP, mark};

use super::*;
use crate::{
    alert::{
        conversation::community_id, flow_document, netbios::tests::everything_said,
        owner::tests::everything_known, smb::tests::everything_told,
    },
    config::ServicePorts,
    detect::{RULES, fixtures::flow},
    exempt::Exemption,
    flow::{Evidence, Flow},
    profile::ProfileName,
};

pub(crate) const ALERT: &str = include_str!("../../../schema/alert.schema.json");
pub(crate) const FLOW: &str = include_str!("../../../schema/flow.schema.json");
pub(crate) const SWEEP: &str = include_str!("../../../schema/sweep.schema.json");
pub(crate) const SUPPRESSION: &str = include_str!("../../../schema/suppression.schema.json");

/// A schema, with that of alerts beside it.
fn validator(text: &str) -> Validator {
    let read = |text| -> Value { serde_json::from_str(text).unwrap() };
    let beside = read(ALERT);
    let id = beside["$id"].as_str().unwrap().to_owned();
    let registry = jsonschema::Registry::new().add(&id, beside).unwrap().prepare().unwrap();
    jsonschema::options().with_registry(&registry).build(&read(text)).unwrap()
}

/// Fails unless the document follows the schema.
pub(crate) fn assert_valid(schema: &str, document: &Value) {
    let errors: Vec<_> = validator(schema)
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?} in {document:#}");
}

fn documents(flow: &Flow) -> Vec<Value> {
    let sight = Sight::of(flow, &ServicePorts::default()).unwrap();
    [Status::Opened, Status::Updated, Status::Closed]
        .into_iter()
        .flat_map(|status| RULES.map(|rule| document(rule, "id", 0, status, &sight, &Context::for_tests())))
        .collect()
}

fn flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    for evidence in [Evidence::Attempt, Evidence::Refused, Evidence::Established, Evidence::Data] {
        flows.push(flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Local, evidence));
        flows.push(flow(TCP, "10.0.0.2:445", "8.8.4.4:50000", Side::Remote, evidence));
        flows.push(flow(TCP, "[fd00::2]:50000", "[2001:4860::4]:139", Side::Local, evidence));
    }
    let mut owned = flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Local, Evidence::Data);
    owned.owner = Some(Arc::new(everything_known()));
    flows.push(owned);
    flows.push(flow(UDP, "10.0.0.2:137", "8.8.4.4:50000", Side::Remote, Evidence::Established));
    flows.push(everything_said());
    flows.push(everything_told());
    flows
}

#[test]
fn every_document_follows_the_schema() {
    for mut flow in flows() {
        for document in documents(&flow) {
            assert_valid(ALERT, &document);
        }
        flow.marks |= mark::DROPPED;
        let sight = Sight::of(&flow, &ServicePorts::default()).unwrap();
        let exemption = Exemption::between("10.0.0.0/8".parse().ok(), None, "ours");
        assert_valid(FLOW, &flow_document(&sight, Some(&exemption), &Context::for_tests()));
        let summary = flow_document(&sight, None, &Context::for_tests());
        assert_valid(FLOW, &summary);
        assert!(!validator(ALERT).is_valid(&summary), "a summary is no alert");
    }
}

#[test]
fn the_schema_refuses_what_a_document_is_not() {
    let schema = validator(ALERT);
    let fine = documents(&flows()[0]).remove(0);
    for (pointer, wrong) in [
        ("/event/kind", json!("event")),
        ("/source/ip", json!(7)),
        ("/smb_sensor/evidence/level", json!("certain")),
        ("/network/direction", json!("sideways")),
    ] {
        let mut broken = fine.clone();
        *broken.pointer_mut(pointer).unwrap() = wrong;
        assert!(!schema.is_valid(&broken), "{pointer} may be anything");
    }
    let mut extra = fine.clone();
    extra["smb_sensor"]["password"] = json!("x");
    assert!(!schema.is_valid(&extra), "unknown fields are let through");
    let mut missing = fine;
    missing.as_object_mut().unwrap().remove("rule");
    assert!(!schema.is_valid(&missing), "a document without a rule is let through");
}

/// Fails where a schema, at `place` or below, lets through what it does not name.
fn assert_closed(schema: &Value, place: &str) {
    if let Some(object) = schema.as_object() {
        if object.contains_key("properties") {
            assert_eq!(object.get("additionalProperties"), Some(&json!(false)), "{place} is open");
        }
        assert!(
            object.get("type") != Some(&json!("object")) || object.contains_key("properties"),
            "{place} may be any object"
        );
    }
    let below = match schema {
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
        _ => vec![],
    };
    for (name, value) in below {
        assert_closed(value, &format!("{place}/{name}"));
    }
}

#[test]
fn no_schema_lets_through_a_field_that_it_does_not_name() {
    for (name, schema) in [("alert", ALERT), ("flow", FLOW), ("sweep", SWEEP), ("suppression", SUPPRESSION)] {
        assert_closed(&serde_json::from_str(schema).unwrap(), name);
    }
}

#[test]
fn source_is_the_client_whichever_side_it_is_on() {
    let inbound = flow(TCP, "10.0.0.2:445", "8.8.4.4:50000", Side::Remote, Evidence::Data);
    let document = documents(&inbound).remove(0);
    assert_eq!(document["source"]["ip"], "8.8.4.4");
    assert_eq!(document["destination"]["port"], 445);
    assert_eq!(document["network"]["direction"], "inbound");
    assert_eq!(document["smb_sensor"]["evidence"]["bytes_sent"], 700, "by the client");
    assert_eq!(document["smb_sensor"]["evidence"]["bytes_left_network"], 300, "by the internal server");
}

#[test]
fn the_community_id_is_that_of_the_specification() {
    // From the specification's baseline vectors (corelight/community-id-spec, tcp.pcap).
    let flow = flow(TCP, "128.232.110.120:34855", "66.35.250.204:445", Side::Local, Evidence::Data);
    let sight = Sight::of(&flow, &ServicePorts::default()).unwrap();
    let port_80 = Sight { server: "66.35.250.204:80".parse().unwrap(), ..sight };
    assert_eq!(community_id(&port_80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    let turned = Sight { client: port_80.server, server: port_80.client, ..port_80 };
    assert_eq!(community_id(&turned), community_id(&port_80), "the same for both directions");
}

#[test]
fn threat_names_only_what_the_evidence_shows() {
    let attempt =
        documents(&flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Local, Evidence::Attempt)).remove(0);
    assert!(attempt.get("threat").is_none());
    assert_eq!(attempt["rule"]["threat"][1]["technique"]["id"], "T1048", "the rule's own stay");
    let data = documents(&flow(TCP, "10.0.0.2:445", "8.8.4.4:50000", Side::Remote, Evidence::Data)).remove(0);
    assert_eq!(data["threat"]["technique"]["id"], json!(["T1133", "T1190"]));
    assert_eq!(data["threat"]["tactic"]["name"], json!(["Initial Access", "Persistence"]));
}

#[test]
fn undefined_networks_are_told_in_the_note() {
    let flow = flow(TCP, "10.0.0.2:445", "8.8.4.4:50000", Side::Remote, Evidence::Data);
    let sight = Sight::of(&flow, &ServicePorts::default()).unwrap();
    let check = |networks_defined| {
        let context = Context { networks_defined, ..Context::for_tests() };
        document(RULES[2], "id", 0, Status::Opened, &sight, &context)["smb_sensor"]["note"]["check"]
            .to_string()
    };
    assert!(check(false).contains("networks.internal"));
    assert!(!check(true).contains("networks.internal"));
}

#[test]
fn every_document_says_of_its_rule_what_the_rule_says_of_itself() {
    let flow = flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Local, Evidence::Data);
    let sight = Sight::of(&flow, &ServicePorts::default()).unwrap();
    for rule in ProfileName::ALL.into_iter().flat_map(|name| name.profile().rules).map(|rule| rule.rule) {
        let told = document(rule, "id", 0, Status::Opened, &sight, &Context::for_tests());
        let texts =
            ["id", "name", "description", "ruleset"].map(|field| told["rule"][field].as_str().unwrap());
        assert_eq!(texts, [rule.id, rule.name, rule.description, "smb-sensor"]);
        let techniques = told["rule"]["threat"].as_array().unwrap().iter();
        let ids: Vec<_> = techniques.map(|one| one["technique"]["id"].as_str().unwrap()).collect();
        assert_eq!(ids, rule.techniques.iter().map(|one| one.id).collect::<Vec<_>>(), "{}", rule.id);
        assert_eq!(told["event"]["risk_score"], rule.risk_score, "{}", rule.id);
        assert_eq!(told["smb_sensor"]["alert"]["severity"], rule.severity.name(), "{}", rule.id);
        assert_eq!(told["smb_sensor"]["false_positives"], json!(rule.false_positives), "{}", rule.id);
    }
}
