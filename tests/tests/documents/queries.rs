//! What the source rules would match is alerted on, and what is alerted on beyond them has a reason.

use std::collections::{BTreeSet, HashSet};

use sensor_tests::{follows_schema, replayed_with, text};
use sensor_user::{config::Config, exempt::Exemption, journal::Kind, replay::EngineChoice};
use serde_json::Value;

use crate::{
    captures, documents,
    source::{QUERIES, SourceQuery, from_internal, on_smb_port},
};

/// Why the sensor alerts where the source rule's query is silent; nothing where there is no good reason.
fn beyond(query: &SourceQuery, alert: &Value) -> Option<&'static str> {
    let outbound = query.detection != "external-access-windows-networking";
    let recognised = text(alert, "/network/protocol") == "smb" && !on_smb_port(alert);
    if outbound && !from_internal(alert) && text(alert, "/network/type") == "ipv6" {
        return Some("the query lists no internal IPv6 networks");
    }
    recognised.then_some("the query knows the usual ports only, and SMB was recognised on another")
}

/// Whether somebody declared the flow safe: the queries know nothing of that, and no rule of the sensor alerts on it.
fn is_exempt(flow: &Value) -> bool {
    flow.pointer("/smb_sensor/exempt").is_some()
}

/// Holds the documents of one run against every query; gives the reasons of what goes beyond them.
#[track_caller]
fn assert_covered(told: &[Value], what: &str, reasons: &mut BTreeSet<&'static str>) -> usize {
    let mut matched = 0;
    let of = |kind| told.iter().filter(move |document| Kind::of(document) == kind);
    for query in &QUERIES {
        let alerts = || of(Kind::Alert).filter(|one| text(one, "/rule/id") == query.detection);
        let mut seen = HashSet::new();
        for flow in of(Kind::Flow).filter(|flow| !is_exempt(flow) && query.matches(flow, &mut seen)) {
            matched += 1;
            let id = format!("{}/{}", query.detection, text(flow, "/flow/id"));
            assert!(
                alerts().any(|alert| text(alert, "/event/id") == id),
                "{what}: {} matches, and there is no alert {id}: {flow:#}",
                query.name
            );
        }
        for alert in alerts().filter(|alert| !query.matches_alone(alert)) {
            let reason = beyond(query, alert);
            assert!(reason.is_some(), "{what}: {} does not match, why is there {alert:#}", query.name);
            reasons.extend(reason);
        }
    }
    matched
}

#[test]
fn what_the_source_rules_match_is_alerted_on_and_what_goes_beyond_has_a_reason() {
    let mut reasons = BTreeSet::new();
    let (mut outbound, mut inbound) = (0, 0);
    for path in captures() {
        let what = path.display().to_string();
        outbound += assert_covered(&documents(&path, false), &what, &mut reasons);
        inbound += assert_covered(&documents(&path, true), &format!("{what}, turned round"), &mut reasons);
    }
    assert!(outbound > 60 && inbound > 30, "{outbound} matches outbound, {inbound} inbound");
    assert_eq!(reasons.len(), 2, "both reasons occur: {reasons:?}");
}

#[test]
fn a_flow_that_the_queries_match_and_an_exemption_covers_says_so_and_has_no_alert() {
    let path = captures().into_iter().find(|path| path.ends_with("smb3_00.pcap")).unwrap();
    let pair = Exemption::between("10.0.0.0/8".parse().ok(), "8.0.0.0/8".parse().ok(), "nightly copy");
    let in_force = Config { exemptions: vec![pair.clone()], ..Config::default() };
    let told = replayed_with(&path, EngineChoice::Host, &in_force, &[]).unwrap().documents;
    let flows: Vec<_> = told.iter().filter(|one| Kind::of(one) == Kind::Flow).collect();
    assert!(!flows.is_empty() && flows.len() == told.len(), "{told:#?}");
    assert!(flows.iter().all(|flow| is_exempt(flow) && QUERIES[0].matches_alone(flow)), "{flows:#?}");
    flows.iter().try_for_each(|flow| follows_schema(flow)).unwrap();
    assert_covered(&told, "with an exemption", &mut BTreeSet::new());
    // Of a time before the capture was made it covers nothing, in the kernel's part as in the agent's.
    for over in [pair, Exemption::between("10.0.0.0/8".parse().ok(), None, "a client of ours")] {
        let over = Exemption { expires: Some(1), ..over };
        let config = Config { exemptions: vec![over], ..Config::default() };
        let told = replayed_with(&path, EngineChoice::Host, &config, &[]).unwrap().documents;
        assert_eq!(told, documents(&path, false));
    }
}

#[test]
fn a_document_that_lacks_what_the_queries_ask_for_is_not_matched() {
    let path = captures().into_iter().find(|path| path.ends_with("smb3_00.pcap")).unwrap();
    let flow = documents(&path, false).into_iter().find(|one| Kind::of(one) == Kind::Flow).unwrap();
    let [smb, rare, _] = &QUERIES;
    assert!(smb.matches_alone(&flow) && rare.matches_alone(&flow));
    for (pointer, value) in [
        ("/network/transport", "udp"),
        ("/source/ip", "81.2.3.4"),
        ("/destination/ip", "198.18.0.1"),
        ("/destination/ip", "::1"),
    ] {
        let mut other = flow.clone();
        *other.pointer_mut(pointer).unwrap() = value.into();
        assert!(!smb.matches_alone(&other), "{pointer} {value}");
    }
    let mut seen = HashSet::new();
    assert!(rare.matches(&flow, &mut seen) && !rare.matches(&flow, &mut seen), "new once");
}
